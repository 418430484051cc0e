// What a line of the log tells of where it comes from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/integration/launcher/launcher_fixture.h"
#include "tests/vmm/process_info.h"

namespace postern {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Line {
  std::string program;
  pid_t pid = 0;
  std::string share;
  std::string text;
};

std::vector<Line> Parse(const std::string& output) {
  const std::regex form(
      "\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}:\\d{2}\\.\\d{3} ([a-z-]+)\\[(\\d+)\\] ([^:]+): (.*)");
  std::vector<Line> lines;
  std::istringstream text(output);
  for (std::string line; std::getline(text, line);) {
    std::smatch parts;
    EXPECT_TRUE(std::regex_match(line, parts, form)) << line;
    if (!parts.empty()) lines.push_back({parts[1], std::stoi(parts[2]), parts[3], parts[4]});
  }
  return lines;
}

class LogTest : public LauncherTest {};

TEST_F(LogTest, EachLineNamesItsProcessByTheHostsIdAndTheShareByItsTag) {
  StartAndWait({"--tag=vm1-data"});
  std::map<std::string, pid_t> seen;
  for (const Line& line : Parse(daemon().Output())) {
    EXPECT_EQ(line.share, "vm1-data") << line.text;
    seen[line.program] = line.pid;
  }
  EXPECT_EQ(seen,
            (std::map<std::string, pid_t>{{"posternd", daemon().pid()},
                                          {"postern-broker", ProcessNamed("postern-broker")},
                                          {"postern-worker", ProcessNamed("postern-worker")}}));
}

TEST_F(LogTest, WithoutATagTheShareIsItsDirectory) {
  StartAndWait();
  for (const Line& line : Parse(daemon().Output())) EXPECT_EQ(line.share, share()) << line.text;
}

TEST_F(LogTest, LinesOfTwoDaemonsInOneLogCanBeToldApart) {
  StartAndWait();
  vmm::DaemonProcess::Options settings;
  settings.command = {POSTERND_PATH, "--shared-dir", Path("run"), "--socket-path",
                      Path("run/other")};
  settings.stderr_path = Path("log");  // It appends.
  auto other = vmm::DaemonProcess::Start(settings);
  ASSERT_TRUE(other.ok()) << other.status();
  ASSERT_TRUE(HasLogged(Path("run") + ": " + kReadyLine)) << daemon().Output();
  (*other)->Signal(SIGTERM);
  EXPECT_EQ((*other)->WaitForExit(), 1);
  std::map<pid_t, std::set<std::string>> shares;
  for (const Line& line : Parse(daemon().Output())) shares[line.pid].insert(line.share);
  EXPECT_EQ(shares[daemon().pid()], std::set<std::string>{share()});
  EXPECT_EQ(shares[(*other)->pid()], std::set<std::string>{Path("run")});
  for (const auto& [pid, names] : shares) EXPECT_EQ(names.size(), 1u) << pid;
}

TEST_F(LogTest, SourceStandsInTheLinesForDebuggingOnly) {
  StartAndWait();
  EXPECT_THAT(daemon().Output(), Not(HasSubstr(".cc:")));
  daemon().Signal(SIGTERM);
  EXPECT_EQ(daemon().WaitForExit(), 1);
  StartAndWait({"--log-level=debug"});
  const std::regex source(".* \\[[a-z_]+\\.cc:\\d+\\]");
  for (const Line& line : Parse(daemon().Output())) {
    EXPECT_TRUE(std::regex_match(line.text, source)) << line.text;
  }
}

TEST_F(LogTest, ErrorOfAChildNamesTheChild) {
  CreateFile(share() + "/fail-at-start");
  Start({"--tag=vm1-data"});
  EXPECT_EQ(daemon().WaitForExit(), 1);
  const Words errors = LogLines("error");
  ASSERT_EQ(errors.size(), 1u) << daemon().Output();
  EXPECT_THAT(errors[0], testing::ContainsRegex("postern-broker\\[[0-9]+\\] vm1-data: error: "));
}

// A file of the log could be cut or filled through such a descriptor, a terminal be read.
TEST_F(LogTest, NobodyButPosterndHasTheCallersStderr) {
  StartAndWait();
  for (const char* name : {"postern-broker", "postern-worker", "postern-sweeper"}) {
    const auto descriptors = vmm::OpenDescriptors(ProcessNamed(name));
    ASSERT_TRUE(descriptors.ok());
    EXPECT_THAT(*descriptors, Not(testing::Contains(Path("log")))) << name;
  }
  const auto own = vmm::OpenDescriptors(daemon().pid());
  EXPECT_THAT(*own, testing::Contains(Path("log")));
}

// By the C library and by sanitizers, which know of no records.
TEST_F(LogTest, WhatAChildSaysBeforeItDiesIsHeardBeforeItsDeath) {
  StartAndWait({"--tag=last-words"});
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 1);
  const Words errors = LogLines("error");
  ASSERT_EQ(errors.size(), 2u) << daemon().Output();
  EXPECT_THAT(errors[0], testing::ContainsRegex("postern-worker\\[[0-9]+\\] last-words: error: "
                                                "no record, and no end of a line$"));
  EXPECT_THAT(errors[1], HasSubstr("postern-worker was killed by signal "));
}

TEST_F(LogTest, UsageErrorNamesItsProcess) {
  StartRaw({"--no-such-option"});
  EXPECT_EQ(daemon().WaitForExit(), 2);
  EXPECT_THAT(daemon().Output(),
              StartsWith("posternd[" + std::to_string(daemon().pid()) + "]: error: unexpected"));
}

// systemd tells the journal's end of stderr by its device and inode.
TEST_F(LogTest, PrioritiesStandInsteadOfTheTimeInTheJournal) {
  const std::string started =
      "JOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2); export JOURNAL_STREAM; exec \"$@\"";
  CreateFile(share() + "/fail-at-start");
  StartRaw(
      {"--shared-dir", share(), "--socket-path", socket_path(), "--tag=vm1", "--log-level=debug"},
      {"/bin/sh", "-c", started, "sh"});
  EXPECT_EQ(daemon().WaitForExit(), 1);
  const std::regex form("<([0-9])>[a-z-]+\\[\\d+\\] vm1: (error: )?.*");
  std::istringstream text(daemon().Output());
  std::map<std::string, int> seen;
  for (std::string line; std::getline(text, line);) {
    std::smatch parts;
    ASSERT_TRUE(std::regex_match(line, parts, form)) << line;
    EXPECT_EQ(parts[1] == "3", parts[2].matched) << line;
    ++seen[parts[1]];
  }
  EXPECT_EQ(seen["3"], 1) << daemon().Output();
  EXPECT_GT(seen["6"], 0) << daemon().Output();
}

TEST_F(LogTest, UsageErrorHasItsPriorityInTheJournal) {
  const std::string started =
      "JOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2); export JOURNAL_STREAM; exec \"$@\"";
  StartRaw({"--no-such-option"}, {"/bin/sh", "-c", started, "sh"});
  EXPECT_EQ(daemon().WaitForExit(), 2);
  EXPECT_THAT(daemon().Output(), StartsWith("<3>posternd["));
}

TEST_F(LogTest, TagCannotPassForALine) {
  StartAndWait({"--tag=a\nposternd[1] b"});
  for (const Line& line : Parse(daemon().Output())) {
    EXPECT_EQ(line.share, "a\\nposternd[1] b");
    EXPECT_NE(line.pid, 1);
  }
}

}  // namespace
}  // namespace postern
