// Runs one attack and judges how the daemon came out of it.
#ifndef POSTERN_TESTS_HOSTILE_GUEST_ATTACK_RUNNER_H_
#define POSTERN_TESTS_HOSTILE_GUEST_ATTACK_RUNNER_H_

#include <string>

#include "tests/hostile/guest/attack.h"
#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {

struct Judgement {
  Outcome outcome = Outcome::kNotStarted;
  std::string detail;
  bool said_broken = false;    // The device has signalled a broken queue to the front end.
  size_t broken_messages = 0;  // Lines of postern's log that say so.
  std::string log;

  bool Survived(const Attack& attack) const {
    return (attack.survives & static_cast<uint32_t>(outcome)) != 0;
  }
};

// Against a daemon of its own, which has exited afterwards.
Judgement RunAttack(const Attack& attack, const RunOptions& options);

}  // namespace postern::hostile

#endif  // POSTERN_TESTS_HOSTILE_GUEST_ATTACK_RUNNER_H_
