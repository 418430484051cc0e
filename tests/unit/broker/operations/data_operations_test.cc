#include "broker/operations/data_operations.h"

#include <sys/xattr.h>

#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"
#include "tests/unit/broker/xattr_rules.h"

namespace postern {
namespace {

class DataOperationsTest : public FilesystemTest {
 protected:
  struct Opened {
    uint64_t node;
    uint64_t file;
  };
  Opened OpenFile(const std::string& name, uint32_t flags) {
    const uint64_t node = Lookup(name);
    EXPECT_EQ(Run(requests::Open(node, flags)), 0);
    return {node, reply_.opened().open_file_id()};
  }
  static rpc::Request AllocateOf(const Opened& file, uint64_t offset, uint64_t length,
                                 uint32_t mode = 0) {
    rpc::Request request;
    request.mutable_allocate()->set_node_id(file.node);
    request.mutable_allocate()->set_open_file_id(file.file);
    request.mutable_allocate()->set_offset(offset);
    request.mutable_allocate()->set_length(length);
    request.mutable_allocate()->set_mode(mode);
    return request;
  }
  static rpc::Request CopyOf(const Opened& from, const Opened& to, uint64_t length,
                             uint64_t from_offset = 0, uint64_t to_offset = 0) {
    rpc::Request request;
    rpc::CopyRangeRequest& copy = *request.mutable_copy_range();
    copy.set_from_node_id(from.node);
    copy.set_from_open_file_id(from.file);
    copy.set_from_offset(from_offset);
    copy.set_to_node_id(to.node);
    copy.set_to_open_file_id(to.file);
    copy.set_to_offset(to_offset);
    copy.set_length(length);
    return request;
  }
  void MakeSetId(const std::string& name, const std::string& text) {
    share_.Write(name, text);
    ASSERT_EQ(chmod(share_.Path(name).c_str(), 06777), 0);
  }
  mode_t Bits(const std::string& name) { return share_.Stat(name).st_mode & 07777; }
};

TEST_F(DataOperationsTest, WriteAtAnOffsetKeepsSetIdBits) {
  POSTERN_SKIP_UNLESS_ROOT();
  MakeSetId("file", "123456");
  const Opened file = OpenFile("file", O_WRONLY);
  EXPECT_EQ(Run(requests::WriteFile(file.node, file.file, 2, "ab")), 0);
  EXPECT_EQ(reply_.bytes_done(), 2u);
  EXPECT_EQ(share_.Read("file"), "12ab56");
  EXPECT_EQ(Bits("file"), 06777u);
}

TEST_F(DataOperationsTest, AppendingWriteGoesToTheEndWhereverItIs) {
  share_.Write("file", "12");
  const Opened file = OpenFile("file", O_WRONLY);
  share_.Write("file", "1234");
  rpc::Request request = requests::WriteFile(file.node, file.file, UINT64_MAX, "ab");
  request.mutable_write_file()->set_append(true);
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(share_.Read("file"), "1234ab");
}

TEST_F(DataOperationsTest, WriteAtTheDescriptorsOwnPositionIsRefused) {
  share_.Write("file", "12");
  const Opened file = OpenFile("file", O_RDWR);
  EXPECT_EQ(Run(requests::WriteFile(file.node, file.file, UINT64_MAX, "ab")), EINVAL);
  EXPECT_EQ(Run(requests::WriteFile(file.node, file.file, uint64_t{1} << 63, "ab")), EINVAL);
  EXPECT_EQ(share_.Read("file"), "12");
}

TEST_F(DataOperationsTest, WriteOfTheMostThatFits) {
  share_.Write("file");
  const Opened file = OpenFile("file", O_WRONLY);
  const std::string data(65536, 'x');
  EXPECT_EQ(Run(requests::WriteFile(file.node, file.file, 1, data)), 0);
  EXPECT_EQ(reply_.bytes_done(), 65536u);
  EXPECT_EQ(share_.Stat("file").st_size, 65537);
}

TEST_F(DataOperationsTest, WriteNeedsAFileOpenForWriting) {
  share_.Write("file", "12");
  const Opened file = OpenFile("file", O_RDONLY);
  EXPECT_EQ(Run(requests::WriteFile(file.node, file.file, 0, "a")), EBADF);
  EXPECT_EQ(Run(requests::WriteFile(kRoot, file.file, 0, "a")), EBADF);
  EXPECT_EQ(Run(requests::WriteFile(file.node, 0, 0, "a")), EBADF);
  EXPECT_EQ(share_.Read("file"), "12");
}

TEST_F(DataOperationsTest, OpenDirectoryIsNoFile) {
  rpc::Request open;
  open.mutable_open_directory()->set_node_id(kRoot);
  ASSERT_EQ(Run(open), 0);
  const Opened directory{kRoot, reply_.opened().open_file_id()};
  EXPECT_EQ(Run(requests::WriteFile(kRoot, directory.file, 0, "a")), EBADF);
  EXPECT_EQ(Run(AllocateOf(directory, 0, 1)), EBADF);
  share_.Write("file");
  EXPECT_EQ(Run(CopyOf(directory, OpenFile("file", O_WRONLY), 1)), EBADF);
}

TEST_F(DataOperationsTest, DirectWriteIsAlignedWhereverTheMessageLies) {
  FilesystemOptions options;
  options.allow_direct_io = true;
  StartFilesystem(options);
  share_.Write("file");
  const Opened file = OpenFile("file", O_WRONLY | O_DIRECT);
  ASSERT_NE(fcntl(context_->reply_file->fd(), F_GETFL) & O_DIRECT, 0);
  const std::string data(8192, 'x');
  EXPECT_EQ(Run(requests::WriteFile(file.node, file.file, 4096, data)), 0);
  EXPECT_EQ(reply_.bytes_done(), 8192u);
  EXPECT_EQ(share_.Read("file").substr(4096), data);
}

TEST_F(DataOperationsTest, AllocateGrowsAndKeepsSetIdBits) {
  POSTERN_SKIP_UNLESS_ROOT();
  MakeSetId("file", "12");
  const Opened file = OpenFile("file", O_WRONLY);
  EXPECT_EQ(Run(AllocateOf(file, 0, 10)), 0);
  EXPECT_EQ(share_.Stat("file").st_size, 10);
  EXPECT_EQ(Run(AllocateOf(file, 0, 20, FALLOC_FL_KEEP_SIZE)), 0);
  EXPECT_EQ(share_.Stat("file").st_size, 10);
  EXPECT_EQ(Bits("file"), 06777u);
}

TEST_F(DataOperationsTest, AllocateRefusesWhatFallocateRefuses) {
  share_.Write("file", "12");
  const Opened file = OpenFile("file", O_WRONLY);
  EXPECT_EQ(Run(AllocateOf(file, 0, 0)), EINVAL);
  EXPECT_EQ(Run(AllocateOf(file, UINT64_MAX, 1)), EINVAL);
  EXPECT_EQ(Run(AllocateOf(file, 1, INT64_MAX)), EFBIG);
  EXPECT_EQ(Run(AllocateOf(file, 0, 1, 0x8000)), EOPNOTSUPP);
  EXPECT_EQ(Run(AllocateOf(file, 0, 1, UINT32_MAX)), EOPNOTSUPP);
  EXPECT_EQ(Run(AllocateOf(OpenFile("file", O_RDONLY), 0, 10)), EBADF);
  EXPECT_EQ(share_.Read("file"), "12");
}

TEST_F(DataOperationsTest, CopyKeepsSetIdBits) {
  POSTERN_SKIP_UNLESS_ROOT();
  share_.Write("from", "12345");
  MakeSetId("to", "abcde");
  const Opened from = OpenFile("from", O_RDONLY);
  const Opened to = OpenFile("to", O_RDWR);
  EXPECT_EQ(Run(CopyOf(from, to, 2, 1, 3)), 0);
  EXPECT_EQ(reply_.bytes_done(), 2u);
  EXPECT_EQ(share_.Read("to"), "abc23");
  EXPECT_EQ(Bits("to"), 06777u);
  EXPECT_EQ(Run(CopyOf(from, to, 100, 5, 0)), 0) << "at the end there is nothing";
  EXPECT_EQ(reply_.bytes_done(), 0u);
}

TEST_F(DataOperationsTest, CopyNeedsFilesOpenForReadingAndForWriting) {
  share_.Write("from", "12345");
  share_.Write("to", "abcde");
  const Opened from = OpenFile("from", O_RDONLY);
  const Opened to = OpenFile("to", O_RDWR);
  EXPECT_EQ(Run(CopyOf(to, from, 1)), EBADF);
  EXPECT_EQ(Run(CopyOf(OpenFile("from", O_WRONLY), to, 1)), EBADF);
  EXPECT_EQ(Run(CopyOf(from, to, 1, UINT64_MAX)), EINVAL);
  EXPECT_EQ(Run(CopyOf(from, to, 1, 0, UINT64_MAX)), EINVAL);
  EXPECT_EQ(share_.Read("to"), "abcde");
}

TEST_F(DataOperationsTest, OpenSaysWhetherThereAreSetIdBits) {
  POSTERN_SKIP_UNLESS_ROOT();
  share_.Write("file");
  OpenFile("file", O_WRONLY);
  EXPECT_FALSE(reply_.opened().has_set_id_bits());
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 04755), 0);
  OpenFile("file", O_WRONLY);
  EXPECT_TRUE(reply_.opened().has_set_id_bits());
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 02745), 0);
  OpenFile("file", O_WRONLY);
  EXPECT_TRUE(reply_.opened().has_set_id_bits());
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 04755), 0);
  EXPECT_EQ(Run(requests::Open(Lookup("file"), O_WRONLY | O_TRUNC, /*kill_privileges=*/true)), 0);
  EXPECT_FALSE(reply_.opened().has_set_id_bits()) << "they went with the truncation";
}

TEST_F(DataOperationsTest, CreateSaysWhetherThereAreSetIdBits) {
  EXPECT_EQ(Run(requests::Create("plain", O_RDWR)), 0);
  EXPECT_FALSE(reply_.created().opened().has_set_id_bits());
  EXPECT_EQ(Run(requests::Create("suid", O_RDWR, 04755)), 0);
  EXPECT_TRUE(reply_.created().opened().has_set_id_bits());
  EXPECT_EQ(Run(requests::Create("suid", O_RDWR)), 0);
  EXPECT_TRUE(reply_.created().opened().has_set_id_bits());
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR, 04755)), 0);
  EXPECT_TRUE(reply_.created().opened().has_set_id_bits());
}

// Where the guest's file capabilities are kept under a name that the kernel doesn't know.
class RemappedCapabilityTest : public DataOperationsTest {
 protected:
  static constexpr char kKept[] = "user.virtiofs.security.capability";

  void SetUp() override {
    DataOperationsTest::SetUp();
    FilesystemOptions options;
    options.xattr = true;
    options.xattr_map = AllBelowUser();
    StartFilesystem(options);
    share_.Write("file", "12345");
    GiveCapability();
  }
  void GiveCapability() { ASSERT_EQ(lsetxattr(share_.Path("file").c_str(), kKept, "x", 1, 0), 0); }
  bool HasCapability() { return lgetxattr(share_.Path("file").c_str(), kKept, nullptr, 0) == 1; }
};

TEST_F(RemappedCapabilityTest, StaysWhileTheFileIsOnlyRead) {
  OpenFile("file", O_RDONLY);
  EXPECT_EQ(Run(requests::GetAttributes(Lookup("file"))), 0);
  EXPECT_TRUE(HasCapability());
}

TEST_F(RemappedCapabilityTest, GoesWhenTheFileIsOpenedForWriting) {
  OpenFile("file", O_WRONLY);
  EXPECT_FALSE(HasCapability());
  GiveCapability();
  OpenFile("file", O_RDWR);
  EXPECT_FALSE(HasCapability());
}

TEST_F(RemappedCapabilityTest, GoesWithTruncation) {
  OpenFile("file", O_RDONLY | O_TRUNC);
  EXPECT_FALSE(HasCapability());
  GiveCapability();
  EXPECT_EQ(Run(requests::SetSize(Lookup("file"), 1)), 0);
  EXPECT_FALSE(HasCapability());
}

TEST_F(RemappedCapabilityTest, GoesWithACreateThatOpens) {
  EXPECT_EQ(Run(requests::Create("file", O_RDWR)), 0);
  EXPECT_FALSE(HasCapability());
}

TEST_F(RemappedCapabilityTest, GoesWithTheOwner) {
  EXPECT_EQ(Run(requests::SetOwner(Lookup("file"), geteuid(), getegid())), 0);
  EXPECT_FALSE(HasCapability());
}

TEST_F(RemappedCapabilityTest, StaysWithTheMode) {
  rpc::Request request = requests::SetAttributes(Lookup("file"));
  request.mutable_set_attributes()->set_mode(0600);
  EXPECT_EQ(Run(request), 0);
  EXPECT_TRUE(HasCapability());
}

TEST_F(RemappedCapabilityTest, GoesWithWhatTheBrokerWrites) {
  const Opened file = OpenFile("file", O_RDWR);
  GiveCapability();
  EXPECT_EQ(Run(requests::WriteFile(file.node, file.file, 0, "a")), 0);
  EXPECT_FALSE(HasCapability());
  GiveCapability();
  EXPECT_EQ(Run(AllocateOf(file, 0, 10)), 0);
  EXPECT_FALSE(HasCapability());
  GiveCapability();
  EXPECT_EQ(Run(CopyOf(file, file, 1, 0, 5)), 0);
  EXPECT_FALSE(HasCapability());
}

TEST_F(RemappedCapabilityTest, OwnerOfASymlinkAndOfADeviceIsStillSet) {
  POSTERN_SKIP_UNLESS_ROOT();
  ASSERT_EQ(symlink("file", share_.Path("link").c_str()), 0);
  EXPECT_EQ(Run(requests::SetOwner(Lookup("link"), 1, 1)), 0);
  ASSERT_EQ(mkfifo(share_.Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(Run(requests::SetOwner(Lookup("fifo"), 1, 1)), 0);
  EXPECT_TRUE(HasCapability());
}

}  // namespace
}  // namespace postern
