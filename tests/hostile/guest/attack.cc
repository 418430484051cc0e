#include "tests/hostile/guest/attack.h"

namespace postern::hostile {

std::string_view Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAnswered:
      return "answered";
    case Outcome::kQueueStopped:
      return "queue stopped";
    case Outcome::kSessionEnded:
      return "session ended";
    case Outcome::kCrashed:
      return "crashed";
    case Outcome::kHung:
      return "hung";
    case Outcome::kLeaked:
      return "leaked";
    case Outcome::kLogFlood:
      return "log flood";
    case Outcome::kBusy:
      return "busy";
    case Outcome::kWrong:
      return "wrong";
    case Outcome::kGaveUp:
      return "gave up";
    case Outcome::kNotStarted:
      return "not started";
  }
  return "?";
}

std::vector<const Attack*> AllAttacks() {
  std::vector<const Attack*> all;
  for (const auto family : {&ChainAttacks, &RingAttacks, &NotificationAttacks, &RequestAttacks,
                            &NameAttacks, &SessionAttacks, &FileAttacks, &InodeAttacks,
                            &MessageAttacks, &MemoryAttacks, &VringAttacks, &DisconnectAttacks}) {
    for (const Attack& attack : family()) all.push_back(&attack);
  }
  return all;
}

}  // namespace postern::hostile
