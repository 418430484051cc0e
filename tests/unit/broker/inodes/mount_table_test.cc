#include "broker/inodes/mount_table.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include <thread>

#include "broker/inodes/file_status.h"
#include "tests/unit/broker/filesystem_fixture.h"

namespace postern {
namespace {

class MountTableTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs CAP_DAC_READ_SEARCH";
    before_ = OpenDescriptors();
    share_.Write("file");
  }
  void TearDown() override { EXPECT_EQ(budget_.used(), 0u); }

  ErrnoOr<MountRef> FindOrAdd(MountTable& table, const std::string& path) {
    const UniqueFd fd = OpenPathTo(path);
    struct statx status;
    EXPECT_TRUE(StatDescriptor(fd.get(), status).ok());
    id_ = status.stx_mnt_id;
    return table.FindOrAdd(fd.get(), status);
  }

  std::set<std::string> before_;
  const SharedDirectory share_;
  ProcFd proc_fd_{OpenPathTo("/proc/self/fd")};
  DescriptorBudget budget_{10};
  MountTable prefer_{proc_fd_, budget_, MountTable::Policy::kDescriptor};
  MountTable mandatory_{proc_fd_, budget_, MountTable::Policy::kError};
  uint64_t id_ = 0;
};

TEST_F(MountTableTest, MountIsKnownWhileSomebodyHoldsIt) {
  MountRef mount = *FindOrAdd(prefer_, share_.Path());
  EXPECT_TRUE(mount->has_handles());
  EXPECT_EQ(mount->id(), id_);
  EXPECT_EQ(prefer_.Find(id_), mount);
  EXPECT_EQ(*FindOrAdd(prefer_, share_.Path("file")), mount) << "another file on it";
  EXPECT_EQ(budget_.used(), 1u);
  mount = nullptr;
  EXPECT_EQ(prefer_.Find(id_), nullptr);
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(MountTableTest, HandlesOfTheMountCanBeOpened) {
  const MountRef mount = *FindOrAdd(mandatory_, share_.Path());
  const UniqueFd file = OpenPathTo(share_.Path("file"));
  FileHandle handle;
  ASSERT_TRUE(handle.Set(file.get()).ok());
  const auto opened = mount->Open(handle.view());
  ASSERT_TRUE(opened.ok());
  struct statx status;
  ASSERT_TRUE(StatDescriptor(opened->get(), status).ok());
  EXPECT_EQ(status.stx_ino, share_.Stat("file").st_ino);
  EXPECT_EQ(status.stx_mnt_id, mount->id());
}

TEST_F(MountTableTest, FilesystemWithoutHandlesHasNoneOrIsAnError) {
  const MountRef mount = *FindOrAdd(prefer_, "/proc");
  EXPECT_FALSE(mount->has_handles());
  EXPECT_EQ(prefer_.Find(id_), mount);
  EXPECT_EQ(FindOrAdd(mandatory_, "/proc").errno_value(), EOPNOTSUPP);
  EXPECT_EQ(mandatory_.Find(id_), nullptr);
}

TEST_F(MountTableTest, WhatMustNotBeOpenedIsNot) {
  ASSERT_EQ(mkfifo(share_.Path("fifo").c_str(), 0644), 0);
  EXPECT_EQ(FindOrAdd(mandatory_, share_.Path("fifo")).errno_value(), EIO);
  EXPECT_FALSE((*FindOrAdd(prefer_, share_.Path("fifo")))->has_handles());
}

TEST_F(MountTableTest, BudgetUsedUpIsEnfileAndIsNotRemembered) {
  DescriptorBudget none(0);
  MountTable table(proc_fd_, none, MountTable::Policy::kDescriptor);
  EXPECT_EQ(FindOrAdd(table, share_.Path()).errno_value(), ENFILE);
  EXPECT_EQ(table.Find(id_), nullptr);
}

TEST_F(MountTableTest, WithoutTheCapabilityThereAreNoHandles) {
  // Of one thread, which then ends.
  std::thread([this] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2] = {};
    ASSERT_EQ(syscall(SYS_capget, &header, sets), 0);
    sets[0].effective &= ~(1u << CAP_DAC_READ_SEARCH);
    ASSERT_EQ(syscall(SYS_capset, &header, sets), 0);
    EXPECT_EQ(FindOrAdd(mandatory_, share_.Path()).errno_value(), EPERM);
    EXPECT_FALSE((*FindOrAdd(prefer_, share_.Path()))->has_handles());
  }).join();
}

TEST_F(MountTableTest, ConcurrentFirstUsesGiveOneMount) {
  std::vector<MountRef> mounts(4);
  std::vector<std::thread> threads;
  for (MountRef& mount : mounts) {
    threads.emplace_back([this, &mount] {
      const UniqueFd fd = OpenPathTo(share_.Path());
      struct statx status;
      ASSERT_TRUE(StatDescriptor(fd.get(), status).ok());
      mount = *prefer_.FindOrAdd(fd.get(), status);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<MountRef>(mounts.begin(), mounts.end()).size(), 1u);
  EXPECT_EQ(budget_.used(), 1u);
}

}  // namespace
}  // namespace postern
