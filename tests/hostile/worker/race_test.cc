// Names that change under the broker: directories and files of the share are exchanged with
// symlinks to the outside while every operation works on them.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/hostile/worker/hostile_worker_fixture.h"

namespace postern {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 60;
constexpr int kExchanges = 1000;

// Exchanges pairs of names over and over, on a thread of its own.
class Exchanger {
 public:
  explicit Exchanger(std::vector<std::pair<std::string, std::string>> pairs)
      : thread_([this, all = std::move(pairs)] {
          while (!stop_) {
            for (const auto& [a, b] : all) {
              if (renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) {
                ++done_;
              }
            }
          }
        }) {}
  ~Exchanger() {
    stop_ = true;
    thread_.join();
  }
  int done() const { return done_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> done_{0};
  std::thread thread_;
};

// The sandbox modes differ in what else stands in the way: with "none" the check of names and the
// flags of each system call are the only wall.
class RaceTest : public HostileWorkerTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(HostileWorkerTest::SetUp());
    if (IsSkipped()) return;
    fs::create_directory(Share("swap"));
    std::ofstream(Share("swap/victim")) << "share";
    fs::create_directory(Share("swap/inner"));
    fs::create_symlink(Outside(), Share("decoy"));
    fs::create_symlink("../outside/file", Share("file-decoy"));
    ASSERT_NO_FATAL_FAILURE(StartBroker({"--xattr", std::string("--sandbox=") + GetParam()}));
  }

  // No answer may speak of an inode of the outside, and no descriptor lead there.
  void Inspect(const std::vector<BrokerUnderAttack::Answer>& answers) {
    for (const auto& answer : answers) {
      // Answered is everything but FORGET; some way or other.
      const rpc::Reply& reply = answer.reply;
      for (const uint64_t ino : {reply.entry().attributes().ino(), reply.attributes().ino(),
                                 reply.created().entry().attributes().ino()}) {
        EXPECT_FALSE(canary().HasInode(ino)) << reply.DebugString();
      }
      for (const auto& item : reply.listing().items()) {
        EXPECT_FALSE(canary().HasInode(item.entry().attributes().ino())) << item.name();
      }
      if (answer.fd) {
        struct stat status {};
        EXPECT_EQ(fstat(answer.fd.get(), &status), 0);
        EXPECT_FALSE(canary().HasInode(status.st_ino));
      }
    }
  }
  // Works until the rounds are done and the names have changed often enough meanwhile.
  template <typename Round>
  void Race(const Exchanger& exchanger, Round&& round) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(40);
    for (int i = 0; i < kRounds || exchanger.done() < kExchanges; ++i) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << exchanger.done() << " exchanges";
      round(i);
      ASSERT_FALSE(HasFailure());
    }
    EXPECT_THAT(canary().Touches(), testing::IsEmpty());
  }
  // All that is made is unmade, so that each round has everything to do again.
  std::vector<rpc::Request> Havoc(uint64_t directory, uint64_t victim, uint64_t file) const {
    rpc::Request list;
    list.mutable_list_extended_attributes()->set_node_id(victim);
    rpc::Request mode = requests::SetAttributes(victim);
    mode.mutable_set_attributes()->set_mode(0600);
    mode.mutable_set_attributes()->mutable_mtime()->set_now(true);
    rpc::Request link;
    link.mutable_link()->set_node_id(file);
    link.mutable_link()->set_new_parent(directory);
    link.mutable_link()->set_new_name("link");
    return {requests::Lookup(directory, "secret"),
            requests::Create("planted", O_RDWR | O_TRUNC, 0666, {}, directory),
            requests::Create("victim", O_RDWR | O_TRUNC, 0666, {}, directory),
            requests::MakeDirectory("made", 0777, {}, directory),
            requests::MakeNode("node", S_IFREG | 0666, {1000, 1000}, directory),
            requests::Symlink("symlink", "victim", {}, directory),
            requests::CreateTemporary(O_RDWR, 0600, {}, directory),
            link,
            requests::Rename(directory, "victim", directory, "moved"),
            requests::Rename(directory, "moved", directory, "victim"),
            requests::Rename(directory, "planted", 1, "from-swap"),
            requests::SetSize(victim, 1),
            requests::SetOwner(victim, 1000, 1000),
            mode,
            requests::SetXattr(victim, "user.x", "y"),
            list,
            requests::Open(victim, O_RDWR | O_TRUNC),
            requests::Access(victim, R_OK, {1000, 1000}),
            requests::Unlink(directory, "secret"),
            requests::Unlink(directory, "symlink"),
            requests::Unlink(directory, "node"),
            requests::Unlink(directory, "link"),
            requests::Unlink(directory, "planted"),
            requests::RemoveDirectory(directory, "made"),
            requests::Unlink(1, "from-swap"),
            requests::OpenDirectory(directory)};
  }
};
INSTANTIATE_TEST_SUITE_P(, RaceTest, testing::Values("none", "chroot", "namespace"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(RaceTest, DirectoryExchangedWithASymlinkLeadsNowhere) {
  const Exchanger exchanger({{Share("swap"), Share("decoy")}});
  const uint64_t file = NodeOf("file");
  int directories = 0;
  int symlinks = 0;
  Race(exchanger, [&](int) {
    const auto found = Ask(requests::Lookup(kRoot, "swap"));
    ASSERT_EQ(found.error(), 0);
    const rpc::Entry& entry = found.reply.entry();
    ++(S_ISDIR(entry.attributes().mode()) ? directories : symlinks);
    const auto victim = Ask(requests::Lookup(entry.node_id(), "victim"));
    const uint64_t victim_id = victim.error() == 0 ? victim.reply.entry().node_id() : 0;
    std::vector<rpc::Request> havoc = Havoc(entry.node_id(), victim_id, file);
    const auto answers = broker().Ask(havoc);
    Inspect(answers);
    if (answers.back().error() == 0) {
      const uint64_t open = answers.back().reply.opened().open_file_id();
      Inspect(broker().Ask(
          std::vector{requests::ReadDirectory(entry.node_id(), open, 0, 65'536, true)}));
    }
    broker().Ask(requests::Forget(entry.node_id(), ~uint64_t{0}));
  });
  EXPECT_GT(directories, 0);
  EXPECT_GT(symlinks, 0);
}

TEST_P(RaceTest, FileExchangedWithASymlinkLeadsNowhere) {
  const Exchanger exchanger({{Share("file"), Share("file-decoy")}});
  int opened = 0;
  int refused = 0;
  Race(exchanger, [&](int) {
    auto answers =
        broker().Ask({requests::Create("file", O_RDWR), requests::Create("file", O_RDWR | O_TRUNC),
                      requests::Lookup(kRoot, "file"), requests::Create("file", O_RDWR | O_EXCL),
                      requests::MakeNode("file", S_IFREG | 0666), requests::Symlink("file", "x"),
                      requests::Rename(kRoot, "file", kRoot, "file-decoy", RENAME_EXCHANGE)});
    Inspect(answers);
    ++(answers[0].error() == 0 ? opened : refused);
    ASSERT_EQ(answers[2].error(), 0);
    const uint64_t node = answers[2].reply.entry().node_id();
    rpc::Request read_link;
    read_link.mutable_read_link()->set_node_id(node);
    rpc::Request link = requests::Link(node, "linked");
    Inspect(
        broker().Ask({requests::Open(node, O_RDWR), requests::SetSize(node, 3),
                      requests::SetOwner(node, 1, 1), requests::SetXattr(node, "user.x", "y"),
                      read_link, link, requests::Lookup(kRoot, "linked"),
                      requests::Unlink(kRoot, "linked"), requests::Forget(node, ~uint64_t{0})}));
  });
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
}

// Exchanges with a directory beside the share: what the broker holds wanders out and in, and its
// parent is then the canary's. The host alone can do that.
TEST_P(RaceTest, DirectoryMovedOutOfTheShareIsNoWayOut) {
  fs::create_directories(Path("elsewhere"));
  const Exchanger exchanger({{Share("swap"), Path("elsewhere")}});
  const uint64_t file = NodeOf("file");
  int walked = 0;
  Race(exchanger, [&](int) {
    const auto found = Ask(requests::Lookup(kRoot, "swap"));
    // EXDEV: moved out between the broker's two looks at it, and openat2(2) has noticed.
    if (found.error() == EXDEV) return;
    ASSERT_EQ(found.error(), 0);
    ++walked;
    const uint64_t node = found.reply.entry().node_id();
    ASSERT_EQ(Ask(requests::Lookup(node, "../outside")).error(), EINVAL);
    ASSERT_EQ(Ask(requests::Lookup(node, ".")).reply.entry().node_id(), node);
    // Inside it is the root that it lies in, and outside nothing.
    const auto above = Ask(requests::Lookup(node, ".."));
    ASSERT_TRUE(above.error() == ENOENT || above.reply.entry().node_id() == kRoot) << above.error();
    const auto inner = Ask(requests::Lookup(node, "inner"));
    const uint64_t victim = inner.error() == 0 ? inner.reply.entry().node_id() : 0;
    const auto answers = broker().Ask(Havoc(node, victim, file));
    Inspect(answers);
    // What the listing's ".." says is a number, not a way.
    if (answers.back().error() == 0) {
      const uint64_t open = answers.back().reply.opened().open_file_id();
      Inspect(broker().Ask(std::vector{requests::ReadDirectory(node, open, 0, 65'536, true)}));
    }
    broker().Ask(requests::Forget(node, ~uint64_t{0}));
  });
  EXPECT_GT(walked, 0);
}

}  // namespace
}  // namespace postern
