// Which programs posternd starts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/integration/launcher/launcher_fixture.h"

namespace postern {
namespace {

namespace fs = std::filesystem;

// An installed tree, in a place that nobody has compiled in.
class ProgramsTest : public LauncherTest {
 protected:
  ProgramsTest() {
    const fs::path built = fs::path(POSTERND_PATH).parent_path().parent_path();
    fs::create_directories(Path("prefix/bin"));
    fs::create_directories(Path("prefix/libexec/postern"));
    fs::copy_file(POSTERND_PATH, Path("prefix/bin/posternd"));
    for (const std::string folder : {"broker", "worker"}) {
      fs::copy_file(built / folder / ("postern-" + folder),
                    Path("prefix/libexec/postern/postern-" + folder));
    }
  }
  void ExpectProgramsFrom(const std::string& prefix) {
    StartRaw({"--shared-dir", share(), "--socket-path", socket_path()}, {},
             prefix + "/bin/posternd");
    ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
    for (const std::string name : {"postern-broker", "postern-worker"}) {
      const std::string exe = "/proc/" + std::to_string(ProcessNamed(name)) + "/exe";
      EXPECT_EQ(fs::read_symlink(exe), fs::canonical(prefix) / "libexec/postern" / name);
    }
    Connect().Reset();
    EXPECT_EQ(daemon().WaitForExit(), 0);
    ExpectNothingLeft();
  }
};

TEST_F(ProgramsTest, LieAsTheyWereInstalledFromPosternd) { ExpectProgramsFrom(Path("prefix")); }

TEST_F(ProgramsTest, MoveWithTheTree) {
  fs::rename(Path("prefix"), Path("moved"));
  ExpectProgramsFrom(Path("moved"));
}

TEST_F(ProgramsTest, OfSomebodyElseAreNotTaken) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  fs::create_directory(Path("prefix/broker"));
  fs::copy_file("/bin/true", Path("prefix/broker/postern-broker"));
  ASSERT_EQ(chown(Path("prefix/broker/postern-broker").c_str(), kPlainUid, kPlainGid), 0);
  ExpectProgramsFrom(Path("prefix"));
}

}  // namespace
}  // namespace postern
