// What keeps set-user-ID and set-group-ID bits, and what clears them, through the whole daemon: the
// worker that writes has no right to keep them.
#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

class SetIdBitsTest : public ShareFixture {
 protected:
  void SetUp() override {
    ShareFixture::SetUp();
    if (geteuid() != 0) GTEST_SKIP() << "needs root: only CAP_FSETID keeps the bits";
    ASSERT_NO_FATAL_FAILURE(Start({}));
    WriteHost("file", "content");
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
    node_ = NodeOf(entry);
  }
  // Opens the file, then gives it the bits, as the guest's chmod(2) does.
  void OpenAndSetBits() {
    ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(node_, O_RDWR));
    handle_ = HandleOf(opened);
    fuse_setattr_in set{};
    set.valid = FATTR_MODE;
    set.mode = 06755;
    ASSERT_OK(fuse().Setattr(node_, set));
    ASSERT_EQ(Mode(), 06755u);
  }
  mode_t Mode() const { return StatHost("file").st_mode & 07777; }

  NodeId node_;
  vmm::FuseHandle handle_{0};
};

TEST_F(SetIdBitsTest, WriteKeepsThoseSetAfterTheOpen) {
  ASSERT_NO_FATAL_FAILURE(OpenAndSetBits());
  EXPECT_OK(fuse().WriteString(node_, handle_, 0, "CONT"));
  EXPECT_EQ(ReadHost("file"), "CONTent");
  EXPECT_EQ(Mode(), 06755u);
}

TEST_F(SetIdBitsTest, LargeWriteKeepsThemAndArrivesWhole) {
  ASSERT_NO_FATAL_FAILURE(OpenAndSetBits());
  const std::string data = Pattern((1 << 20) - 3, 1);
  ASSERT_OK_AND_ASSIGN(const size_t done, fuse().WriteString(node_, handle_, 5, data));
  EXPECT_EQ(done, data.size());
  EXPECT_EQ(ReadHost("file"), "conte" + data);
  EXPECT_EQ(Mode(), 06755u);
}

TEST_F(SetIdBitsTest, AppendKeepsThemAndAppends) {
  ASSERT_NO_FATAL_FAILURE(OpenAndSetBits());
  const std::string data = Pattern(200'000, 2);
  const vmm::WriteFlags append{.write_flags = 0, .open_flags = O_WRONLY | O_APPEND};
  ASSERT_OK_AND_ASSIGN(const size_t done, fuse().WriteString(node_, handle_, 0, data, append));
  EXPECT_EQ(done, data.size());
  EXPECT_EQ(ReadHost("file"), "content" + data);
  EXPECT_EQ(Mode(), 06755u);
}

TEST_F(SetIdBitsTest, FallocateKeepsThem) {
  ASSERT_NO_FATAL_FAILURE(OpenAndSetBits());
  EXPECT_OK(fuse().Fallocate(node_, handle_, 0, 4096, 0));
  EXPECT_EQ(StatHost("file").st_size, 4096);
  EXPECT_EQ(Mode(), 06755u);
}

TEST_F(SetIdBitsTest, CopyIntoTheFileKeepsThem) {
  ASSERT_NO_FATAL_FAILURE(OpenAndSetBits());
  ASSERT_OK_AND_ASSIGN(const size_t done,
                       fuse().CopyFileRange(node_, handle_, 0, node_, handle_, 100, 4));
  EXPECT_EQ(done, 4u);
  EXPECT_EQ(ReadHost("file").substr(100), "cont");
  EXPECT_EQ(Mode(), 06755u);
}

// Without the guest's page cache (--cache=never) its kernel takes nothing away before a write, and
// says with each whether the writer may keep them; whatever was negotiated.
TEST_F(SetIdBitsTest, WriteOfWhoMayNotKeepThemTakesThem) {
  ASSERT_NO_FATAL_FAILURE(OpenAndSetBits());
  const vmm::WriteFlags kill{.write_flags = FUSE_WRITE_KILL_SUIDGID, .open_flags = O_WRONLY};
  ASSERT_EQ(fuse().enabled() & FUSE_HANDLE_KILLPRIV_V2, 0u);
  EXPECT_OK(fuse().WriteString(node_, handle_, 0, "CONT", kill));
  EXPECT_EQ(ReadHost("file"), "CONTent");
  EXPECT_EQ(Mode(), 0755u);
}

TEST_F(SetIdBitsTest, FileCreatedWithThemKeepsThem) {
  ASSERT_OK_AND_ASSIGN(const auto created, fuse().Create(kRoot, "new", O_RDWR, 04755));
  EXPECT_OK(fuse().WriteString(NodeOf(created.entry), HandleOf(created.opened), 0, "text"));
  EXPECT_EQ(ReadHost("new"), "text");
  EXPECT_EQ(StatHost("new").st_mode & 07777, 04755u);
}

}  // namespace
}  // namespace postern
