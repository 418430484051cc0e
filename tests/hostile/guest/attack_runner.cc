#include "tests/hostile/guest/attack_runner.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/hostile/guest/daemon_watch.h"

namespace postern::hostile {
namespace {

// An attack may cause so many lines in the log, however often it is repeated: those of a session's
// start and end, the refused messages that are logged, and what is said once.
constexpr size_t kMaxLogLines = 40;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The log's line about a violent end: postern's launcher on its children, Rust's, glibc's.
std::string WhyItDied(const std::string& log) {
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(log, '\n'))) {
    for (const char* const sign : {"killed by signal", "panicked at", "Assertion", "corrupted"}) {
      if (absl::StrContains(line, sign)) return line;
    }
  }
  return "";
}

class Judge {
 public:
  explicit Judge(AttackContext& context) : context_(context) {}

  Judgement Decide() {
    Examine();
    End();
    result_.log = context_.Output();
    const std::string why = WhyItDied(result_.log);
    if (result_.outcome == Outcome::kGaveUp && !why.empty()) result_.outcome = Outcome::kCrashed;
    if (!why.empty()) absl::StrAppend(&result_.detail, result_.detail.empty() ? "" : "; ", why);
    CheckLog();
    if (result_.outcome != Outcome::kCrashed) CheckHost();
    return result_;
  }

 private:
  void Set(Outcome outcome, std::string detail = {}) {
    result_.outcome = outcome;
    result_.detail = std::move(detail);
  }

  // While the daemon runs.
  void Examine() {
    if (context_.ConnectionClosed()) return;
    if (!context_.serving()) {
      if (const absl::Status served = context_.Serve(true); !served.ok()) {
        if (!context_.ConnectionClosed()) Set(Outcome::kHung, std::string(served.message()));
        return;
      }
    }
    JudgeQueues();
    if (result_.outcome != Outcome::kAnswered && result_.outcome != Outcome::kQueueStopped) return;
    if (!ComesToRest(context_.daemon(), context_.options().patience)) Set(Outcome::kBusy);
  }

  void JudgeQueues() {
    const std::string first = context_.stopped() ? "said to be broken" : Answers(kAttacked);
    if (first.empty()) return Set(Outcome::kAnswered);
    if (context_.ConnectionClosed()) return;
    const std::string second = Answers(context_.other_queue());
    if (second.empty()) {
      Set(Outcome::kQueueStopped, context_.said_broken() ? "" : "not said: " + first);
    } else if (!context_.ConnectionClosed()) {
      Set(Outcome::kHung, second);
    }
  }

  // Empty if the queue answers a good request rightly, else what comes instead.
  std::string Answers(size_t queue) {
    vmm::FuseClient& fuse = context_.fuse(queue);
    auto entry = fuse.Lookup(kRootNodeId, kCanary);
    const bool lost = entry.errno_value() == ETIMEDOUT || entry.errno_value() == ENOTCONN ||
                      entry.errno_value() == EPROTO;
    if (!entry.ok() && !lost) {
      // The session may be over by a right of the guest's; then a new one works.
      if (const auto init = fuse.Init(); !init.ok()) return "INIT: " + init.error().Message();
      entry = fuse.Lookup(kRootNodeId, kCanary);
    }
    if (!entry.ok()) return "LOOKUP: " + entry.error().Message() + " " + fuse.queue().violation();
    if (entry->attr.size != sizeof(kCanaryContent) - 1) return "LOOKUP: not the file's size";
    return "";
  }

  // From the disconnect on, whoever begins it.
  void End() {
    const bool closed = context_.ConnectionClosed();
    const bool by_daemon = context_.closed_by_daemon();
    context_.client().Disconnect();
    const auto status = context_.daemon().WaitForExit(context_.options().patience);
    if (!status.has_value()) return Set(Outcome::kHung, "still running after the disconnect");
    if (*status != 0 && result_.outcome == Outcome::kHung) {
      // How it ends when it has hung before is only a sign of why.
      absl::StrAppend(&result_.detail, "; exit status ", *status);
      return;
    }
    if (*status != 0) {
      // The shell's way to say that a signal ended it.
      return Set(*status >= 128 ? Outcome::kCrashed : Outcome::kGaveUp,
                 absl::StrCat("exit status ", *status));
    }
    if (!context_.daemon().Leftovers().empty()) return Set(Outcome::kLeaked, "processes");
    if (closed) Set(Outcome::kSessionEnded);
    // What an attack finds wrong after the end is only that it has ended.
    if (!context_.failure().empty() && !by_daemon) Set(Outcome::kWrong, context_.failure());
  }

  void CheckLog() {
    size_t lines = 0;
    for (const auto& line : absl::StrSplit(result_.log, '\n')) {
      ++lines;
      if (absl::StrContains(line, "the queue is not served any more")) ++result_.broken_messages;
    }
    result_.said_broken = context_.said_broken();
    if (lines > kMaxLogLines && result_.outcome != Outcome::kCrashed) {
      Set(Outcome::kLogFlood, absl::StrCat(lines, " lines"));
    }
  }

  void CheckHost() {
    if (ReadFile(context_.Beside(kSecret)) != kSecret) {
      Set(Outcome::kWrong, "a file beside the shared directory has changed");
    }
    if (ReadFile(context_.Host(kCanary)) != kCanaryContent) {
      Set(Outcome::kWrong, "the canary has changed");
    }
  }

  AttackContext& context_;
  Judgement result_;
};

// One round more; false if there can't be another.
bool Round(AttackContext& context) {
  context.attack().run(context);
  if (!context.over()) return true;
  return context.stopped() && context.failure().empty() && context.ResetDevice();
}

// All rounds but the last. What has grown meanwhile; empty if nothing, or if it ended before.
std::string Repeat(AttackContext& context) {
  const int rounds = context.attack().rounds;
  const int before = std::max(1, rounds / 5);  // Until caches are full.
  for (int i = 0; i < before; ++i) {
    if (!Round(context)) return "";
  }
  // What the guest may hold itself (lookups, open files) goes with the session.
  if (!context.ResetDevice()) return "";
  const std::vector<Holdings> early = Measure(context.daemon());
  for (int i = before; i < rounds - 1; ++i) {
    if (!Round(context)) return "";
  }
  if (!context.ResetDevice()) return "";
  return Growth(early, Measure(context.daemon()));
}

}  // namespace

Judgement RunAttack(const Attack& attack, const RunOptions& options) {
  AttackContext context(attack, options);
  Judgement judgement;
  if (const absl::Status started = context.Start(); !started.ok()) {
    judgement.detail = std::string(started.message());
    judgement.log = context.Output();
    return judgement;
  }
  std::string growth;
  if (attack.rounds > 1) growth = Repeat(context);
  if (!context.over()) attack.run(context);
  judgement = Judge(context).Decide();
  if (!growth.empty() && judgement.Survived(attack)) {
    judgement.outcome = Outcome::kLeaked;
    judgement.detail = growth;
  }
  return judgement;
}

}  // namespace postern::hostile
