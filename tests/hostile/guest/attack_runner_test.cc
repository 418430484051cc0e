// That a daemon which doesn't survive is found out: whoever judges must be able to condemn.
#include "tests/hostile/guest/attack_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <fstream>

#include "tests/hostile/guest/daemon_watch.h"
#include "tests/vmm/process_info.h"

namespace postern::hostile {
namespace {

using testing::HasSubstr;

Judgement JudgementOf(const Attack& attack,
                      std::chrono::milliseconds patience = std::chrono::seconds(30)) {
  RunOptions options;
  options.command = {POSTERND_PATH, "--request-queues=2"};
  options.patience = patience;
  return RunAttack(attack, options);
}

void Nothing(AttackContext&) {}
void KillTheWorker(AttackContext& context) {
  kill(context.daemon().ProcessNamed("postern-worker"), SIGKILL);
  context.daemon().WaitForExit();
}
bool IsStopped(pid_t thread) { return vmm::StatusField(thread, "State").starts_with('T'); }

void StopTheWorker(AttackContext& context) {
  const pid_t worker = context.daemon().ProcessNamed("postern-worker");
  kill(worker, SIGSTOP);
  // One thread takes the signal, and the others go on until it does.
  while (!std::ranges::all_of(vmm::Threads(worker), &IsStopped)) sched_yield();
  // It will never answer; so only the start needs patience.
  for (const size_t queue : {kAttacked, context.other_queue()}) {
    context.fuse(queue).set_timeout(std::chrono::milliseconds(100));
  }
}
void FillTheLog(AttackContext& context) {
  std::ofstream log(context.Beside("stderr"), std::ios::app);
  for (int i = 0; i < 100; ++i) log << "line\n";
}
void TouchTheSecret(AttackContext& context) {
  std::ofstream(context.Beside(kSecret), std::ios::app) << "more";
}
void FindSomething(AttackContext& context) { context.Fail("found"); }

TEST(AttackRunnerTest, DaemonLeftAloneHasAnswered) {
  const Judgement judgement = JudgementOf({.run = &Nothing, .rounds = 3});
  EXPECT_EQ(judgement.outcome, Outcome::kAnswered) << judgement.detail;
}

TEST(AttackRunnerTest, KilledWorkerHasCrashed) {
  const Judgement judgement = JudgementOf({.run = &KillTheWorker});
  EXPECT_EQ(judgement.outcome, Outcome::kCrashed) << judgement.detail;
  EXPECT_THAT(judgement.detail, HasSubstr("signal 9"));
}

TEST(AttackRunnerTest, StoppedWorkerHangs) {
  const Judgement judgement = JudgementOf({.run = &StopTheWorker}, std::chrono::seconds(3));
  EXPECT_EQ(judgement.outcome, Outcome::kHung) << judgement.detail;
}

TEST(AttackRunnerTest, HundredLinesAreALogFlood) {
  const Judgement judgement = JudgementOf({.run = &FillTheLog});
  EXPECT_EQ(judgement.outcome, Outcome::kLogFlood) << judgement.detail;
}

TEST(AttackRunnerTest, ChangedFileOutsideIsWrong) {
  const Judgement judgement = JudgementOf({.run = &TouchTheSecret});
  EXPECT_EQ(judgement.outcome, Outcome::kWrong) << judgement.detail;
}

TEST(AttackRunnerTest, FindingOfTheAttackIsWrong) {
  const Judgement judgement = JudgementOf({.run = &FindSomething});
  EXPECT_EQ(judgement.outcome, Outcome::kWrong) << judgement.detail;
}

TEST(AttackRunnerTest, DaemonThatDoesntExistIsNotStarted) {
  RunOptions options;
  options.command = {"/nonexistent"};
  EXPECT_EQ(RunAttack({.run = &Nothing}, options).outcome, Outcome::kNotStarted);
}

TEST(GrowthTest, OneDescriptorMoreIsGrowth) {
  const std::vector<Holdings> before = {{"worker", 10, 5000}, {"broker", 10, 5000}};
  EXPECT_EQ(Growth(before, before), "");
  EXPECT_THAT(Growth(before, {{"worker", 10, 5000}, {"broker", 11, 5000}}), HasSubstr("broker"));
}

TEST(GrowthTest, MemoryBeyondTheSlackIsGrowth) {
  const std::vector<Holdings> before = {{"worker", 10, 5000}};
  EXPECT_EQ(Growth(before, {{"worker", 10, 5000 + kMemorySlackKib}}), "");
  EXPECT_THAT(Growth(before, {{"worker", 10, 5001 + kMemorySlackKib}}), HasSubstr("worker"));
}

}  // namespace
}  // namespace postern::hostile
