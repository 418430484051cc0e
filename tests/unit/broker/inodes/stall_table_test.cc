#include "broker/inodes/stall_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "broker/inodes/file_status.h"
#include "common/unique_fd.h"

namespace postern {
namespace {

bool MayStall(StallTable& table, const char* path) {
  const UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  struct statx status;
  EXPECT_TRUE(fd.valid() && StatDescriptor(fd.get(), status).ok()) << path;
  return table.MayStall(fd.get(), IdentityOf(status));
}

TEST(StallTableTest, TmpfsDoesNot) {
  StallTable table;
  EXPECT_FALSE(MayStall(table, "/dev/shm"));
  EXPECT_FALSE(MayStall(table, "/dev/shm")) << "the second time, too";
}

TEST(StallTableTest, FilesystemThatIsNotKnownMay) {
  StallTable table;
  EXPECT_TRUE(MayStall(table, "/proc/version"));
  EXPECT_TRUE(MayStall(table, "/proc/version"));
  EXPECT_FALSE(MayStall(table, "/dev/shm")) << "each filesystem by itself";
}

}  // namespace
}  // namespace postern
