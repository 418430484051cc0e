// What decides whether the other tests can fail is tested itself.
#include "tests/hostile/worker/canary.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "tests/vmm/temp_directory.h"

namespace postern {
namespace {

using testing::IsEmpty;
using testing::Not;

class CanaryTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "fanotify needs root";
    canary_ = std::make_unique<Canary>(Path(""));
  }
  std::string Path(const std::string& name) const { return directory_.Path("outside/" + name); }

  const vmm::TempDirectory directory_;
  std::unique_ptr<Canary> canary_;
};

TEST_F(CanaryTest, NothingHappenedWithoutATouch) { EXPECT_THAT(canary_->Touches(), IsEmpty()); }

TEST_F(CanaryTest, OpeningAFileIsATouch) {
  UniqueFd(open(Path("secret").c_str(), O_RDONLY | O_CLOEXEC)).Reset();
  EXPECT_THAT(canary_->Touches(), Not(IsEmpty()));
  EXPECT_THAT(canary_->Touches(), IsEmpty());
}

TEST_F(CanaryTest, OpeningADirectoryIsATouch) {
  UniqueFd(open(Path("inner").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)).Reset();
  EXPECT_THAT(canary_->Touches(), Not(IsEmpty()));
}

TEST_F(CanaryTest, ChangingAModeIsATouch) {
  ASSERT_EQ(chmod(Path("inner/victim").c_str(), 0600), 0);
  EXPECT_THAT(canary_->Touches(), Not(IsEmpty()));
}

TEST_F(CanaryTest, MakingAndRemovingIsATouch) {
  ASSERT_EQ(mkdir(Path("inner/planted").c_str(), 0700), 0);
  ASSERT_EQ(rmdir(Path("inner/planted").c_str()), 0);
  EXPECT_THAT(canary_->Touches(), Not(IsEmpty()));
}

TEST_F(CanaryTest, LinkFromElsewhereIsATouch) {
  std::filesystem::create_hard_link(Path("victim"), directory_.Path("link"));
  EXPECT_THAT(canary_->Touches(), Not(IsEmpty()));
}

TEST_F(CanaryTest, KnowsItsInodes) {
  struct stat status;
  ASSERT_EQ(stat(Path("inner/victim").c_str(), &status), 0);
  EXPECT_TRUE(canary_->HasInode(status.st_ino));
  ASSERT_EQ(stat(directory_.path().c_str(), &status), 0);
  EXPECT_FALSE(canary_->HasInode(status.st_ino));
}

}  // namespace
}  // namespace postern
