// A worker that was taken over, in the real worker's jail, under the real posternd, with the real
// broker: what it can do by itself.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "sandbox/launcher/log_relay.h"
#include "tests/hostile/worker_jail/attempts.h"
#include "tests/integration/launcher/launcher_fixture.h"

namespace postern {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Label(const char* name) {
  std::string label = name;
  std::ranges::replace(label, '-', '_');
  return label;
}

class WorkerJailTest : public LauncherTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root: a plain user's worker keeps its uid";
    CreateFile(share() + "/file", "file");
    CreateFile(share() + "/writable", "writable");
    for (const char* name : {"/file", "/writable"}) {
      ASSERT_EQ(chmod((share() + name).c_str(), 0644), 0);
    }
  }
  // Connects and returns what posternd and its children have said when all is over.
  std::string Try(const std::string& what, const Words& options = {}) {
    Words all = options;
    all.push_back("--tag=" + what);
    StartAndWait(all);
    const auto connection = daemon().Connect();
    EXPECT_TRUE(connection.ok());
    EXPECT_TRUE(daemon().WaitForExit().has_value()) << "posternd goes on running";
    return daemon().Output();
  }
  void ExpectShareUnchanged() {
    for (const std::string name : {"file", "writable"}) {
      std::ifstream file(share() + "/" + name);
      EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), name);
      struct stat status;
      ASSERT_EQ(stat((share() + "/" + name).c_str(), &status), 0);
      EXPECT_EQ(status.st_mode, mode_t{S_IFREG | 0644});
      EXPECT_EQ(status.st_uid, 0u);
    }
  }
};

class AttemptTest : public WorkerJailTest, public testing::WithParamInterface<const char*> {};

std::vector<const char*> Names(bool unfiltered) {
  std::vector<const char*> names;
  for (const Attempt& attempt : Attempts()) {
    if (!unfiltered || attempt.refused_unfiltered) names.push_back(attempt.name);
  }
  return names;
}
INSTANTIATE_TEST_SUITE_P(, AttemptTest, testing::ValuesIn(Names(false)),
                         [](const auto& row) { return Label(row.param); });

// By the filter, which kills, or by an errno.
TEST_P(AttemptTest, IsRefused) {
  const std::string output = Try(GetParam());
  EXPECT_THAT(output, HasSubstr(std::string("trying ") + GetParam()));
  EXPECT_THAT(output, Not(HasSubstr("worked")));
  EXPECT_THAT(output, testing::AnyOf(HasSubstr("refused: "),
                                     HasSubstr("postern-worker was killed by signal 31")));
  ExpectShareUnchanged();
  ExpectNothingLeft();
}

class UnfilteredAttemptTest : public WorkerJailTest,
                              public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(, UnfilteredAttemptTest, testing::ValuesIn(Names(true)),
                         [](const auto& row) { return Label(row.param); });

// A hole in the filter is not a hole in the jail: namespaces, ids, capabilities and limits stand
// for themselves.
TEST_P(UnfilteredAttemptTest, IsRefusedByTheRestOfTheJail) {
  const std::string output = Try(GetParam(), {"--seccomp=none"});
  EXPECT_THAT(output, HasSubstr("refused: ")) << GetParam();
  EXPECT_THAT(output, Not(HasSubstr("worked")));
  ExpectShareUnchanged();
  ExpectNothingLeft();
}

// What decides whether the tests above can fail; and that it is the filter which refuses this one.
TEST_F(WorkerJailTest, AttemptThatNothingRefusesWorks) {
  EXPECT_THAT(Try("memfd", {"--seccomp=none"}), HasSubstr("worked"));
}

// 50 MB of lines are some hundred KiB, none in another's name.
TEST_F(WorkerJailTest, LogCannotBeFloodedNorForged) {
  std::istringstream output(Try("flood-the-log"));
  const std::regex own("\\S+ \\S+ postern-worker\\[\\d+\\] flood-the-log: .*");
  size_t floods = 0;
  bool said = false;
  for (std::string line; std::getline(output, line);) {
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
    said = said || line.find("lines of postern-worker were dropped") != std::string::npos;
    if (line.find("forged") == std::string::npos) continue;
    ++floods;
    EXPECT_TRUE(std::regex_match(line, own)) << line;
  }
  EXPECT_GE(floods, LogRelay::kMaxLines / 2);
  EXPECT_LT(floods, 2 * LogRelay::kMaxLines);
  EXPECT_TRUE(said);
  ExpectNothingLeft();
}

class LauncherAttackTest : public WorkerJailTest,
                           public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(, LauncherAttackTest,
                         testing::Values("garbage-to-the-launcher", "descriptors-to-the-launcher",
                                         "much-to-the-launcher", "ready-again-to-the-launcher"),
                         [](const auto& row) { return Label(row.param); });

TEST_P(LauncherAttackTest, EndsTheServiceInOrder) {
  const std::string output = Try(GetParam());
  EXPECT_THAT(output, HasSubstr("postern-worker sent an impossible message"));
  EXPECT_EQ(daemon().WaitForExit(), 1);
  ExpectNothingLeft();
}

}  // namespace
}  // namespace postern
