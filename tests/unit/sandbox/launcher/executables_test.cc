#include "sandbox/launcher/executables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/build_info.h"
#include "tests/unit/sandbox/scratch.h"

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ExecutableCandidatesTest, LooksBesideThenInTheBuildTreeThenInLibexecThenWhereInstalled) {
  EXPECT_THAT(ExecutableCandidates("/build/sandbox/posternd", "worker"),
              ElementsAre("/build/sandbox/postern-worker", "/build/worker/postern-worker",
                          "/build/libexec/postern/postern-worker",
                          std::string(kLibexecDir) + "/postern-worker"));
}

TEST(ExecutableCandidatesTest, BearsAProgramInTheRootDirectory) {
  EXPECT_THAT(
      ExecutableCandidates("/posternd", "broker"),
      ElementsAre("/postern-broker", "/broker/postern-broker", "/libexec/postern/postern-broker",
                  std::string(kLibexecDir) + "/postern-broker"));
}

TEST(ExecutableCandidatesTest, LibexecFollowsThePrefixThatPosterndLiesIn) {
  EXPECT_THAT(ExecutableCandidates("/usr/bin/posternd", "broker"),
              testing::Contains("/usr/libexec/postern/postern-broker"));
  EXPECT_THAT(ExecutableCandidates("/opt/a b/bin/posternd", "broker"),
              testing::Contains("/opt/a b/libexec/postern/postern-broker"));
}

// An installed tree, wherever it may lie.
class FindProgramTest : public testing::Test {
 protected:
  FindProgramTest() {
    umask(022);
    for (const char* directory : {"/bin", "/libexec", "/libexec/postern", "/broker"}) {
      std::filesystem::create_directories(root() + directory);
    }
    CreateProgram("/bin/posternd");
  }
  // Symbolic links in TMPDIR itself don't count.
  std::string root() const { return std::filesystem::canonical(scratch_.path()).string(); }
  std::string own_path() const { return root() + "/bin/posternd"; }
  void CreateProgram(const std::string& name, mode_t mode = 0755) const {
    std::ofstream(root() + name) << "#!/bin/sh\n";
    ASSERT_EQ(chmod((root() + name).c_str(), mode), 0);
  }
  absl::StatusOr<std::string> Find() const {
    return FindProgram(own_path(), {root() + "/broker/postern-broker",
                                    root() + "/libexec/postern/postern-broker"});
  }
  void ExpectNotTaken() const {
    const auto found = Find();
    ASSERT_FALSE(found.ok()) << *found;
    EXPECT_THAT(Text(found.status()), HasSubstr(std::string(kProgram) + " (not taken: others"));
  }

  static constexpr char kProgram[] = "/libexec/postern/postern-broker";
  const Scratch scratch_;
};

TEST_F(FindProgramTest, TakesTheFirstThatIsThere) {
  CreateProgram(kProgram);
  auto found = Find();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, root() + kProgram);
  CreateProgram("/broker/postern-broker");
  found = Find();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, root() + "/broker/postern-broker");
}

TEST_F(FindProgramTest, PassesOverWhatIsNoProgram) {
  CreateProgram("/broker/postern-broker", 0644);
  CreateProgram(kProgram);
  const auto found = Find();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, root() + kProgram);
}

TEST_F(FindProgramTest, NamesAllPlacesIfThereIsNone) {
  const auto found = Find();
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(Text(found.status()), HasSubstr(root() + "/broker/postern-broker"));
  EXPECT_THAT(Text(found.status()), HasSubstr(root() + kProgram));
  EXPECT_THAT(Text(found.status()), HasSubstr("install it together with posternd"));
}

TEST_F(FindProgramTest, GivesTheFileThatALinkLeadsTo) {
  CreateProgram("/libexec/real");
  std::filesystem::create_symlink("../real", root() + kProgram);
  const auto found = Find();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, root() + "/libexec/real");
}

TEST_F(FindProgramTest, DoesNotTakeAProgramThatAnybodyMayWrite) {
  CreateProgram(kProgram, 0757);
  ExpectNotTaken();
}

TEST_F(FindProgramTest, DoesNotTakeAProgramFromADirectoryThatAnybodyMayWrite) {
  CreateProgram(kProgram);
  ASSERT_EQ(chmod((root() + "/libexec/postern").c_str(), 0777), 0);
  ExpectNotTaken();
}

TEST_F(FindProgramTest, TakesItWhereAnybodyMayReplacePosterndItself) {
  CreateProgram(kProgram);
  ASSERT_EQ(chmod((root() + "/libexec/postern").c_str(), 0777), 0);
  ASSERT_EQ(chmod((root() + "/bin").c_str(), 0777), 0);
  EXPECT_TRUE(Find().ok());
  // Sticky, as /tmp: posternd itself can't be replaced there.
  ASSERT_EQ(chmod((root() + "/bin").c_str(), 01777), 0);
  ExpectNotTaken();
}

TEST_F(FindProgramTest, GroupOfPosterndsDirectoryMayWriteWhatItMayWriteThere) {
  CreateProgram(kProgram, 0775);
  ExpectNotTaken();
  ASSERT_EQ(chmod((root() + "/bin").c_str(), 0775), 0);
  EXPECT_TRUE(Find().ok());
}

TEST_F(FindProgramTest, DoesNotTakeWhatBelongsToSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  CreateProgram(kProgram);
  ASSERT_EQ(chown((root() + kProgram).c_str(), 12345, 12345), 0);
  ExpectNotTaken();
  ASSERT_EQ(chown((root() + kProgram).c_str(), 0, 0), 0);
  ASSERT_EQ(chown((root() + "/libexec/postern").c_str(), 12345, 12345), 0);
  ExpectNotTaken();
  // Unless posternd does, too.
  ASSERT_EQ(chown(own_path().c_str(), 12345, 12345), 0);
  EXPECT_TRUE(Find().ok());
}

TEST_F(FindProgramTest, OfASomebodyElsesLinkOnlyTheFileCounts) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  CreateProgram("/libexec/real");
  ASSERT_EQ(chown((root() + "/libexec/real").c_str(), 12345, 12345), 0);
  std::filesystem::create_symlink("../real", root() + kProgram);
  ExpectNotTaken();
}

}  // namespace
}  // namespace postern
