// OPEN, RELEASE, and what a handle is good for.
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <chrono>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::FuseHandle;
using vmm::HandleOf;
using vmm::NodeOf;

class OpenTest : public ShareTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ShareTest::SetUp());
    WriteHost("file", "content");
    WriteHost("other", "of the other");
    MakeHostDirectory("directory");
    file_ = NodeNamed("file");
    other_ = NodeNamed("other");
    directory_ = NodeNamed("directory");
  }

  NodeId NodeNamed(std::string_view name) {
    const auto entry = fuse().Lookup(kRoot, name);
    EXPECT_OK(entry);
    return entry.ok() ? NodeOf(*entry) : NodeId(0);
  }
  ErrnoOr<std::string> Read(NodeId node, FuseHandle handle) {
    return fuse().ReadString(node, handle, 0, 100);
  }

  NodeId file_{0};
  NodeId other_{0};
  NodeId directory_{0};
};

TEST_F(OpenTest, TwoOpensAreTwoHandles) {
  ASSERT_OK_AND_ASSIGN(const fuse_open_out first, fuse().Open(file_, O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out second, fuse().Open(file_, O_RDONLY));
  EXPECT_NE(first.fh, second.fh);
  ASSERT_OK(fuse().Release(file_, HandleOf(first)));
  EXPECT_OK(Read(file_, HandleOf(second)));
}

TEST_F(OpenTest, DefaultCachePolicySetsNoFlags) {
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(file_, O_RDONLY));
  EXPECT_EQ(opened.open_flags, 0u);
}

TEST_F(OpenTest, TruncEmptiesTheFile) {
  ASSERT_OK(fuse().Open(file_, O_RDWR | O_TRUNC));
  EXPECT_EQ(ReadHost("file"), "");
}

// chattr +a: opened for writing only by who appends.
TEST_F(OpenTest, AppendOnlyFileIsOpenedForAppending) {
  const UniqueFd fd(open(Host("file").c_str(), O_RDONLY | O_CLOEXEC));
  const auto set = [&](int attributes) { return ioctl(fd.get(), FS_IOC_SETFLAGS, &attributes); };
  int before = 0;
  if (ioctl(fd.get(), FS_IOC_GETFLAGS, &before) < 0 || set(before | FS_APPEND_FL) < 0) {
    GTEST_SKIP() << "needs CAP_LINUX_IMMUTABLE and a filesystem that has the attribute";
  }
  EXPECT_ERRNO(fuse().Open(file_, O_RDWR), EPERM);
  EXPECT_ERRNO(fuse().Open(file_, O_WRONLY | O_APPEND | O_TRUNC), EPERM);
  const auto opened = fuse().Open(file_, O_WRONLY | O_APPEND);
  EXPECT_OK(opened);
  if (opened.ok()) {
    const vmm::WriteFlags append{.open_flags = O_WRONLY | O_APPEND};
    EXPECT_OK(fuse().WriteString(file_, HandleOf(*opened), 0, " more", append));
    EXPECT_EQ(ReadHost("file"), "content more");
    EXPECT_OK(fuse().Release(file_, HandleOf(*opened)));
  }
  EXPECT_EQ(set(before), 0);
}

TEST_F(OpenTest, DirectoryIsNoFileToBeOpened) {
  EXPECT_ERRNO(fuse().Open(directory_, O_RDWR), EISDIR);
  EXPECT_ERRNO(fuse().Open(directory_, O_WRONLY), EISDIR);
  EXPECT_ERRNO(fuse().Opendir(file_), ENOTDIR);
}

TEST_F(OpenTest, ReleasedHandleIsEbadf) {
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(file_, O_RDWR));
  ASSERT_OK(fuse().Release(file_, HandleOf(opened)));
  EXPECT_ERRNO(Read(file_, HandleOf(opened)), EBADF);
  EXPECT_ERRNO(fuse().WriteString(file_, HandleOf(opened), 0, "x"), EBADF);
  EXPECT_ERRNO(fuse().Fsync(file_, HandleOf(opened)), EBADF);
  EXPECT_EQ(ReadHost("file"), "content");
}

TEST_F(OpenTest, HandleOfAnotherNodeIsEbadf) {
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(other_, O_RDWR));
  EXPECT_ERRNO(Read(file_, HandleOf(opened)), EBADF);
  EXPECT_ERRNO(fuse().WriteString(file_, HandleOf(opened), 0, "x"), EBADF);
  EXPECT_ERRNO(fuse().Fallocate(file_, HandleOf(opened), 0, 100, 0), EBADF);
  EXPECT_ERRNO(fuse().Lseek(file_, HandleOf(opened), 0, SEEK_DATA), EBADF);
  EXPECT_EQ(ReadHost("other"), "of the other");
}

TEST_F(OpenTest, InventedHandleIsEbadf) {
  const FuseHandle invented(0x1234567890);
  EXPECT_ERRNO(Read(file_, invented), EBADF);
  EXPECT_ERRNO(fuse().WriteString(file_, invented, 0, "x"), EBADF);
  EXPECT_ERRNO(fuse().Flush(file_, invented), EBADF);
  EXPECT_ERRNO(fuse().Fsync(file_, invented), EBADF);
  EXPECT_ERRNO(fuse().Fallocate(file_, invented, 0, 100, 0), EBADF);
  EXPECT_ERRNO(fuse().Lseek(file_, invented, 0, SEEK_DATA), EBADF);
  EXPECT_ERRNO(fuse().Readdir(directory_, invented, 0), EBADF);
  EXPECT_ERRNO(fuse().Readdirplus(directory_, invented, 0), EBADF);
  EXPECT_ERRNO(fuse().Fsyncdir(directory_, invented), EBADF);
}

TEST_F(OpenTest, AccessModeHolds) {
  ASSERT_OK_AND_ASSIGN(const fuse_open_out reading, fuse().Open(file_, O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out writing, fuse().Open(file_, O_WRONLY));
  EXPECT_ERRNO(fuse().WriteString(file_, HandleOf(reading), 0, "x"), EBADF);
  EXPECT_ERRNO(Read(file_, HandleOf(writing)), EBADF);
  EXPECT_EQ(ReadHost("file"), "content");
}

TEST_F(OpenTest, DirectoryHandleReadsNoFileAndFileHandleNoDirectory) {
  ASSERT_OK_AND_ASSIGN(const fuse_open_out file, fuse().Open(file_, O_RDWR));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out directory, fuse().Opendir(directory_));
  EXPECT_ERRNO(fuse().Readdir(directory_, HandleOf(file), 0), EBADF);
  EXPECT_ERRNO(Read(file_, HandleOf(directory)), EBADF);
}

TEST_F(OpenTest, OpendirOfAFileIsEnotdir) { EXPECT_ERRNO(fuse().Opendir(file_), ENOTDIR); }

TEST_F(OpenTest, CreateFlagsOfAnOpenAreHarmless) {
  // A guest strips these; one that doesn't must not get anything made.
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened,
                       fuse().Open(file_, O_RDONLY | O_NOCTTY | O_NONBLOCK));
  EXPECT_OK(Read(file_, HandleOf(opened)));
}

TEST_F(OpenTest, ChurnLeavesNoDescriptorOpen) {
  // Once first: what is opened on demand and kept is open afterwards.
  const auto churn = [&](int round) {
    const std::string name = "churn" + std::to_string(round);
    ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile created, fuse().Create(kRoot, name, O_RDWR));
    const NodeId node = NodeOf(created.entry);
    ASSERT_OK(fuse().WriteString(node, HandleOf(created.opened), 0, "x"));
    ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(kRoot));
    ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdir(kRoot, HandleOf(opened), 0));
    ASSERT_OK(fuse().Releasedir(kRoot, HandleOf(opened)));
    ASSERT_OK(fuse().Release(node, HandleOf(created.opened)));
    ASSERT_OK(fuse().Unlink(kRoot, name));
    ASSERT_OK(fuse().Forget(node, 1));
    EXPECT_ERRNO(fuse().Create(kRoot, "directory", O_RDWR | O_EXCL), EEXIST);
    EXPECT_ERRNO(fuse().Open(NodeId(999'999), O_RDONLY), EBADF);
  };
  const auto open_descriptors = [&] {
    size_t count = 0;
    for (const vmm::ProcessInfo& process : daemon().Processes()) {
      const auto descriptors = vmm::OpenDescriptors(process.pid);
      EXPECT_TRUE(descriptors.ok()) << process.name;
      if (descriptors.ok()) count += descriptors->size();
    }
    return count;
  };
  ASSERT_NO_FATAL_FAILURE(churn(0));
  const size_t before = open_descriptors();
  for (int round = 1; round <= 50; ++round) ASSERT_NO_FATAL_FAILURE(churn(round));
  // Who has sent a reply with a descriptor drops its own after that.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (open_descriptors() > before && std::chrono::steady_clock::now() < deadline) sched_yield();
  EXPECT_LE(open_descriptors(), before);
}

}  // namespace
}  // namespace postern
