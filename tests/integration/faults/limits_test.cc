// A guest at its limits: what it is told, what goes on, and what makes room again.
#include <sys/socket.h>

#include "common/rpc/channel.h"
#include "tests/integration/faults/faults_fixture.h"

namespace postern {
namespace {

using vmm::FuseHandle;
using vmm::HandleOf;
using vmm::NodeOf;

class LimitsTest : public FaultsFixture {
 protected:
  void StartWith(std::vector<std::string> options, int files = 0) {
    if (IsSkipped()) return;
    WriteHost("file", "content");
    for (int i = 0; i < files; ++i) WriteHost("f" + std::to_string(i), "");
    Setup setup;
    setup.daemon_options = std::move(options);
    setup.daemon_options.push_back("--request-queues=1");
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
    node_ = NodeOf(entry);
    ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(node_, O_RDWR));
    handle_ = HandleOf(opened);
    ASSERT_OK_AND_ASSIGN(const fuse_open_out listing, fuse().Opendir(kRoot));
    listing_ = HandleOf(listing);
  }
  void ExpectTheRestGoesOn() {
    EXPECT_OK(fuse().WriteString(node_, handle_, 0, "written"));
    ASSERT_OK_AND_ASSIGN(const std::string text, fuse().ReadString(node_, handle_, 0, 100));
    EXPECT_EQ(text, "written");
    EXPECT_OK(fuse().Flush(node_, handle_));
    EXPECT_OK(fuse().Getattr(node_));
    EXPECT_OK(fuse().Getattr(kRoot));
    EXPECT_OK(fuse().Lookup(kRoot, "file"));
    ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdir(kRoot, listing_, 0));
    EXPECT_THAT(entries, testing::Not(testing::IsEmpty()));
  }

  NodeId node_{0};
  FuseHandle handle_{0};
  FuseHandle listing_{0};
};

TEST_F(LimitsTest, OpensWithoutEndAreEnfileLoggedOnceAndClosingMakesRoom) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--rlimit-nofile=700"}));
  std::vector<FuseHandle> handles;
  auto opened = fuse().Open(node_, O_RDONLY);
  for (; opened.ok() && handles.size() < 700; opened = fuse().Open(node_, O_RDONLY)) {
    handles.push_back(HandleOf(*opened));
  }
  EXPECT_ERRNO(opened, ENFILE);
  EXPECT_GE(handles.size(), 50u);
  ExpectTheRestGoesOn();
  EXPECT_ERRNO(fuse().Opendir(kRoot), ENFILE);
  EXPECT_ERRNO(fuse().Create(kRoot, "new", O_RDWR), ENFILE);
  EXPECT_FALSE(HostExists("new")) << "nothing is made that can't be answered";
  for (const FuseHandle handle : handles) ASSERT_OK(fuse().Release(node_, handle));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const fuse_open_out again, fuse().Open(node_, O_RDONLY));
    EXPECT_OK(fuse().Release(node_, HandleOf(again)));
  }
  EXPECT_TRUE(daemon().HasSaid("descriptors as the limit of open files allows"));
  EXPECT_EQ(LogLines("descriptors as the limit of open files allows"), 1u);
}

TEST_F(LimitsTest, DirectoriesWithoutEndAreEnfileAndClosingMakesRoom) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--rlimit-nofile=700"}));
  std::vector<FuseHandle> handles;
  auto opened = fuse().Opendir(kRoot);
  for (; opened.ok() && handles.size() < 700; opened = fuse().Opendir(kRoot)) {
    handles.push_back(HandleOf(*opened));
  }
  EXPECT_ERRNO(opened, ENFILE);
  ExpectTheRestGoesOn();
  for (const FuseHandle handle : handles) ASSERT_OK(fuse().Releasedir(kRoot, handle));
  EXPECT_OK(fuse().Opendir(kRoot));
}

TEST_F(LimitsTest, LookupsThatHoldDescriptorsCannotKeepFilesFromBeingOpened) {
  ASSERT_NO_FATAL_FAILURE(
      StartWith({"--rlimit-nofile=700", "--inode-file-handles=never"}, /*files=*/700));
  std::vector<NodeId> known;
  int error = 0;
  for (int i = 0; error == 0 && i < 700; ++i) {
    const auto entry = fuse().Lookup(kRoot, "f" + std::to_string(i));
    error = entry.errno_value();
    if (entry.ok()) known.push_back(NodeOf(*entry));
  }
  EXPECT_EQ(error, ENFILE);
  ASSERT_FALSE(known.empty());
  EXPECT_ERRNO(fuse().Mkdir(kRoot, "new"), ENFILE);
  EXPECT_ERRNO(fuse().Symlink(kRoot, "new", "target"), ENFILE);
  EXPECT_FALSE(HostExists("new"));
  ExpectTheRestGoesOn();
  EXPECT_OK(fuse().Open(known.front(), O_RDONLY));
  EXPECT_OK(fuse().Opendir(kRoot));
  for (const NodeId node : known) ASSERT_OK(fuse().Forget(node, 1));
  EXPECT_OK(fuse().Lookup(kRoot, "f699"));
}

TEST_F(LimitsTest, InodesBeyondMaxInodesAreEnfileLoggedOnceAndForgetMakesRoom) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--max-inodes=20"}, /*files=*/30));
  std::vector<NodeId> known;
  for (int i = 0; i < 19; ++i) {  // And "file".
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "f" + std::to_string(i)));
    known.push_back(NodeOf(entry));
  }
  for (int i = 0; i < 100; ++i) EXPECT_ERRNO(fuse().Lookup(kRoot, "f25"), ENFILE);
  EXPECT_TRUE(daemon().HasSaid("the most that --max-inodes allows"));
  EXPECT_EQ(LogLines("the most that --max-inodes allows"), 1u);
  EXPECT_ERRNO(fuse().Mkdir(kRoot, "new"), ENFILE);
  EXPECT_ERRNO(fuse().Mknod(kRoot, "new", S_IFREG | 0644), ENFILE);
  EXPECT_ERRNO(fuse().Symlink(kRoot, "new", "target"), ENFILE);
  EXPECT_ERRNO(fuse().Create(kRoot, "new", O_RDWR), ENFILE);
  EXPECT_ERRNO(fuse().Tmpfile(kRoot, O_RDWR), ENFILE);
  EXPECT_FALSE(HostExists("new")) << "the next try would be told EEXIST";
  EXPECT_OK(fuse().Link(known[0], kRoot, "another name"));
  ExpectTheRestGoesOn();
  EXPECT_OK(fuse().Lookup(kRoot, "f0"));
  EXPECT_OK(fuse().Open(known[3], O_RDONLY));
  // READDIRPLUS lists what it can't look up without attributes, and counts the others.
  ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdirplus(kRoot, listing_, 0, 65536));
  EXPECT_GE(entries.size(), 31u);
  ASSERT_OK(fuse().Forget(known[5], 2));
  EXPECT_OK(fuse().Mkdir(kRoot, "new"));
  EXPECT_ERRNO(fuse().Lookup(kRoot, "f5"), ENFILE);
  ASSERT_OK(fuse().Forget(known[6], 2));
  EXPECT_OK(fuse().Lookup(kRoot, "f6"));
}

TEST_F(LimitsTest, DescriptorsUnderWayOfOtherDaemonsCostOneRequestAndNotTheSession) {
  // The kernel counts the descriptors in all sockets of a user together (unix(7), ETOOMANYREFS).
  ASSERT_NO_FATAL_FAILURE(StartWith({"--rlimit-nofile=700"}));
  {
    auto pair = Channel::CreatePair();
    ASSERT_TRUE(pair.ok());
    const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::vector<int> sent(kMaxMessageDescriptors, null.get());
    const std::byte byte{1};
    for (int i = 0; i < 12; ++i) ASSERT_OK(pair->first.Send(std::span(&byte, 1), sent));
    EXPECT_ERRNO(fuse().Open(node_, O_RDONLY), ENFILE);
    EXPECT_ERRNO(fuse().Create(kRoot, "new", O_RDWR), ENFILE);
    ExpectTheRestGoesOn();
  }
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(node_, O_RDONLY));
  EXPECT_OK(fuse().Release(node_, HandleOf(opened)));
}

}  // namespace
}  // namespace postern
