// Too much of everything: requests, replies that nobody reads, files, names.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/hostile/worker/hostile_worker_fixture.h"

namespace postern {
namespace {

// What a broker may grow by under a flood of messages: its threads' buffers, which are there from
// the first large message on.
#ifdef POSTERN_SANITIZED  // Freed memory is kept for a while, and shadowed.
constexpr size_t kMaxGrowthKib = 512 * 1024;
constexpr size_t kHardlyAnyGrowthKib = kMaxGrowthKib;
#else
constexpr size_t kMaxGrowthKib = 32 * 1024;
constexpr size_t kHardlyAnyGrowthKib = 4 * 1024;
#endif

// A limit of open files that is soon reached. It is this process's as well, and can't be raised
// again: one for all tests.
constexpr size_t kFewDescriptors = 3000;

class FloodTest : public HostileWorkerTest {
 protected:
  // Sends until the broker takes no more, or `count` messages are sent. How many were.
  size_t SendWithoutReading(const std::string& message, size_t count, size_t channel) {
    size_t sent = 0;
    while (sent < count && broker().SendRaw(message, {}, channel) == 0) ++sent;
    return sent;
  }
  std::string FullBatch(const rpc::Request& request) const {
    std::vector<rpc::Request> batch;
    for (uint64_t i = 1; i <= 64; ++i) batch.push_back(requests::WithId(request, i));
    return requests::BatchOf(batch);
  }
};

// The kernel's buffers fill up, and then the broker's patience runs out.
TEST_F(FloodTest, RepliesThatAreNeverReadEndTheSessionWithoutGrowth) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const std::string message = FullBatch(requests::GetAttributes(kRoot));
  const size_t memory = broker().ResidentKib();
  size_t largest = 0;
  while (broker().IsAlive()) {
    SendWithoutReading(message, 1000, 1);
    largest = std::max(largest, broker().ResidentKib());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LE(largest, memory + kMaxGrowthKib);
  ExpectSessionEnds("replies aren't read");
}

TEST_F(FloodTest, ChannelThatIsFloodedAndReadLeavesTheOthersServed) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  constexpr size_t kMessages = 5000;
  constexpr size_t kReplies = kMessages * 64;
  const std::string message = FullBatch(requests::GetAttributes(kRoot));
  const size_t memory = broker().ResidentKib();
  size_t received = 0;
  std::thread reader([&] {
    rpc::ReplyBatch replies;
    while (received < kReplies && broker().channel(1).ReceiveMessage(replies, 0).ok()) {
      received += static_cast<size_t>(replies.replies_size());
    }
  });
  int error = 0;
  for (size_t sent = 0; sent < kMessages && error == 0;) {
    sent += SendWithoutReading(message, std::min<size_t>(8, kMessages - sent), 1);
    error = Ask(requests::GetAttributes(kRoot), 0).error();
  }
  reader.join();
  EXPECT_EQ(error, 0);
  EXPECT_EQ(received, kReplies);
  EXPECT_LE(broker().ResidentKib(), memory + kMaxGrowthKib);
}

// Messages that cost much to parse, 4000 objects each, are bounded by their size.
TEST_F(FloodTest, MessagesThatAreAllObjectsDontGrowTheBroker) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  rpc::Request forget;
  for (uint64_t i = 0; i < 4096; ++i) forget.mutable_forget()->add_items();
  std::vector<rpc::Request> batch(10, forget);
  const size_t memory = broker().ResidentKib();
  for (int i = 0; i < 200; ++i) {
    // With an answer, so that they don't pile up.
    std::vector<rpc::Request> all = batch;
    all.push_back(requests::GetAttributes(kRoot));
    ASSERT_EQ(broker().Ask(all, static_cast<size_t>(i) % broker().channels()).back().error(), 0);
  }
  EXPECT_LE(broker().ResidentKib(), memory + kMaxGrowthKib);
}

TEST_F(FloodTest, OpenFilesReachALimitAndComeBack) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const size_t before = broker().Descriptors();
  const uint64_t node = NodeOf("file");
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const std::vector<rpc::Request> batch(64, requests::Open(node, O_RDONLY));
  size_t opened = 0;
  int error = 0;
  while (error == 0 && opened < limit.rlim_cur) {
    for (const auto& answer : broker().Ask(batch)) {
      if (answer.error() != 0) {
        error = answer.error();
      } else {
        ++opened;
      }
    }
  }
  EXPECT_EQ(error, ENFILE);
  EXPECT_LT(broker().Descriptors(), limit.rlim_cur);
  // Directories are of the same budget; all else goes on.
  EXPECT_EQ(Ask(requests::OpenDirectory(kRoot)).error(), ENFILE);
  EXPECT_EQ(Ask(requests::Create("new", O_RDWR)).error(), ENFILE);
  EXPECT_FALSE(std::filesystem::exists(Share("new")));
  EXPECT_EQ(Ask(requests::MakeDirectory("new-directory")).error(), 0);
  ExpectServes();
  EXPECT_EQ(Ask(requests::Initialize()).error(), 0);
  EXPECT_TRUE(Eventually([&] { return broker().Descriptors() == before; }));
  EXPECT_EQ(Ask(requests::Open(NodeOf("file"), O_RDONLY)).error(), 0);
}

// Each name that is known costs a descriptor here.
TEST_F(FloodTest, NamesThatAreNeverForgottenReachALimitAndComeBack) {
  ASSERT_NO_FATAL_FAILURE(StartBroker(
      {"--inode-file-handles=never", "--rlimit-nofile=" + std::to_string(kFewDescriptors)}));
  const size_t before = broker().Descriptors();
  size_t known = 0;
  int error = 0;
  for (size_t i = 0; error == 0 && i < kFewDescriptors;) {
    std::vector<rpc::Request> batch;
    for (int j = 0; j < 64; ++j, ++i) {
      batch.push_back(requests::MakeNode("f" + std::to_string(i), S_IFREG | 0600));
    }
    for (const auto& answer : broker().Ask(batch)) {
      if (answer.error() != 0) {
        error = answer.error();
      } else {
        ++known;
      }
    }
  }
  EXPECT_EQ(error, ENFILE);
  EXPECT_GT(known, kFewDescriptors / 2);
  EXPECT_EQ(Ask(requests::Lookup(kRoot, "file")).error(), ENFILE);
  EXPECT_EQ(Ask(requests::Lookup(kRoot, "f0")).error(), 0);
  ExpectServes();
  EXPECT_EQ(Ask(requests::Initialize()).error(), 0);
  EXPECT_TRUE(Eventually([&] { return broker().Descriptors() == before; }));
}

// By file handles they cost memory, and the few descriptors that are set aside for what is in use.
TEST_F(FloodTest, ThousandsOfKnownNamesCostLittle) {
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--rlimit-nofile=" + std::to_string(kFewDescriptors)}));
  const size_t memory = broker().ResidentKib();
  const size_t before = broker().Descriptors();
  for (size_t i = 0; i < 8000;) {
    std::vector<rpc::Request> batch;
    for (int j = 0; j < 64; ++j, ++i) {
      batch.push_back(requests::MakeNode("f" + std::to_string(i), S_IFREG | 0600));
    }
    ASSERT_EQ(broker().Ask(batch).back().error(), 0);
  }
  ExpectServes();
  EXPECT_LE(broker().ResidentKib(), memory + kMaxGrowthKib);
  EXPECT_LE(broker().Descriptors(), before + kFewDescriptors / 4);
  EXPECT_EQ(Ask(requests::Initialize()).error(), 0);
  EXPECT_TRUE(Eventually([&] { return broker().Descriptors() == before; }));
}

// One name looked up as often as a count of 32 bits can't tell is still one inode.
TEST_F(FloodTest, LookupsOfOneNameCountButCostNothing) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const uint64_t node = NodeOf("file");
  const size_t memory = broker().ResidentKib();
  const std::vector<rpc::Request> batch(64, requests::Lookup(kRoot, "file"));
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(broker().Ask(batch).back().error(), 0);
  EXPECT_LE(broker().ResidentKib(), memory + kHardlyAnyGrowthKib);
  broker().Ask(requests::Forget(node, 64'000));
  EXPECT_EQ(Ask(requests::GetAttributes(node)).error(), 0);
  broker().Ask(requests::Forget(node, 1));
  EXPECT_EQ(Ask(requests::GetAttributes(node)).error(), EBADF);
}

// Descriptors that lie unread in sockets are counted for each user of the host, not for each VM:
// what one worker leaves lying there must not end the session of another VM of the same user.
class UnreadDescriptorTest : public FloodTest {
 protected:
  static constexpr size_t kMessages = 24;
  static_assert(2 * kMessages * 64 > kFewDescriptors && kMessages * 64 < kFewDescriptors / 2 + 100);

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(FloodTest::SetUp());
    if (IsSkipped()) return;
    const std::string limit = "--rlimit-nofile=" + std::to_string(kFewDescriptors);
    ASSERT_NO_FATAL_FAILURE(StartBroker({limit, "--request-queues=2"}));
    auto started = BrokerUnderAttack::Start({Share("directory"), Path("victims-log"), {limit}});
    ASSERT_TRUE(started.ok()) << started.status();
    victim_ = std::move(*started);
    ASSERT_EQ(victim_->Ask(requests::Initialize()).error(), 0);
  }
  // Has the broker open a file over and over, and reads none of the answers.
  void LeaveUnread(size_t channel) {
    ASSERT_EQ(Ask(requests::Initialize(), 0).error(), 0);
    const auto found = Ask(requests::Lookup(kRoot, "file"), 0);
    const std::string opens = FullBatch(requests::Open(found.reply.entry().node_id(), O_RDONLY));
    ASSERT_EQ(SendWithoutReading(opens, kMessages, channel), kMessages);
  }
  // The victim's OPEN, and RELEASE.
  int OpenAndRelease(uint64_t node) {
    const auto opened = victim_->Ask(requests::Open(node, O_RDONLY));
    if (opened.error() != 0) return opened.error();
    rpc::Request release;
    release.mutable_release()->set_node_id(node);
    release.mutable_release()->set_open_file_id(opened.reply.opened().open_file_id());
    EXPECT_EQ(victim_->Ask(release).error(), 0);
    return 0;
  }

  std::unique_ptr<BrokerUnderAttack> victim_;
};

TEST_F(UnreadDescriptorTest, OfOneWorkerDontEndTheSessionOfAnother) {
  const auto made = victim_->Ask(requests::Create("file", O_RDWR));
  ASSERT_EQ(made.error(), 0);
  const uint64_t node = made.reply.created().entry().node_id();
  const uint64_t file = made.reply.created().opened().open_file_id();
  const size_t victims = victim_->Descriptors();
  const size_t attackers = broker().Descriptors();
  ASSERT_NO_FATAL_FAILURE(LeaveUnread(1));
  ASSERT_TRUE(Eventually([&] { return broker().Descriptors() >= attackers + kMessages * 64; }));
  // The next session closes these files; they lie in the channel.
  ASSERT_NO_FATAL_FAILURE(LeaveUnread(2));

  EXPECT_TRUE(Eventually([&] { return OpenAndRelease(node) == ENFILE; }));
  EXPECT_EQ(victim_->Ask(requests::Create("second", O_RDWR)).error(), ENFILE);
  EXPECT_EQ(victim_->Ask(requests::WriteFile(node, file, 0, "x")).error(), 0);
  EXPECT_TRUE(Eventually([&] { return victim_->Descriptors() == victims; }))
      << "what wasn't sent is still open";
  EXPECT_TRUE(broker().IsAlive());

  // The attacker goes.
  for (const size_t channel : {size_t{1}, size_t{2}})
    broker().channel(channel).TakeSocket().Reset();
  EXPECT_TRUE(Eventually([&] { return OpenAndRelease(node) == 0; }));
  EXPECT_EQ(victim_->Ask(requests::Create("second", O_RDWR)).error(), 0);
}

// Ten thousand errors, and not a line in the log (the fixture counts).
TEST_F(FloodTest, ErrorsAreNotLogged) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  std::vector<rpc::Request> batch;
  for (int i = 0; i < 16; ++i) {
    batch.push_back(requests::Lookup(kRoot, "../x"));
    batch.push_back(requests::GetAttributes(12'345));
    batch.push_back(requests::MakeDirectory("x", 0755, {~0U, 0}));
    batch.push_back(requests::Lookup(kRoot, "nothing\n\x1b[2J"));
  }
  for (int i = 0; i < 160; ++i) {
    for (const auto& answer : broker().Ask(batch)) ASSERT_NE(answer.error(), 0);
  }
  EXPECT_EQ(broker().Log(), "");
}

}  // namespace
}  // namespace postern
