// A small service of which every interleaving is tried.
#ifndef POSTERN_TESTS_UNIT_BROKER_SERVICE_CHANNEL_OWNERS_MODEL_H_
#define POSTERN_TESTS_UNIT_BROKER_SERVICE_CHANNEL_OWNERS_MODEL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "broker/service/channel_owners.h"

namespace postern {

// What the service could do wrong: each must be found out, or the model proves nothing.
enum class Flaw {
  kNone,
  kNoLookAfterRelease,  // A message that came before the worker was to ring stays.
  kNoTimer,             // Nobody looks for threads that take long.
  kTimerBeforeClaim,    // The timer is started before there is something to be found.
  kTimerNotResumed,     // It isn't started again for work that has only begun.
  kKeepsWhatItLost,     // A thread goes on with a channel that was taken away.
  kNoTurns,             // A thread stays with its channel whoever waits.
};

struct ModelSetup {
  size_t threads = 1;
  std::vector<int> messages = {1};  // Of each channel's worker.
  size_t endless = 0;               // So many workers, the first ones, have always one more.
  bool first_is_stuck =
      false;  // Channel 0's first message is done when all else has been received.
  int turn_messages = 2;
  Flaw flaw = Flaw::kNone;
};

struct ModelResult {
  size_t states = 0;
  // What went wrong: "two owners", "out of order", "a message is lost", "never done", "starved";
  // and the steps that led there. Empty if nothing does.
  std::string failure;
  std::vector<std::string> steps;
  // The most messages of others that were received while one channel waited and no thread was idle.
  int longest_wait = 0;
};

// Goes through all states that threads, workers and timer can bring about, each step of theirs
// being one access to what they share: the real ChannelOwners' calls, a message's publication, the
// flag by which a worker knows that it is to ring, the ring itself, the timer's expiry.
ModelResult ExploreOwners(const ModelSetup& setup, int longest_wait);

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_SERVICE_CHANNEL_OWNERS_MODEL_H_
