// What a hostile guest, or a front end gone wrong, can try; and how a daemon may come out of it.
#ifndef POSTERN_TESTS_HOSTILE_GUEST_ATTACK_H_
#define POSTERN_TESTS_HOSTILE_GUEST_ATTACK_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::hostile {

class AttackContext;

enum class Outcome : uint32_t {
  kAnswered = 1 << 0,      // The attacked queue answers the next good request.
  kQueueStopped = 1 << 1,  // It doesn't, but another queue does.
  kSessionEnded = 1 << 2,  // The daemon has closed the connection and exited as after a disconnect.
  kCrashed = 1 << 3,       // A signal, or a panic, has ended it.
  kHung = 1 << 4,          // No queue answers, or it doesn't exit after the disconnect.
  kLeaked = 1 << 5,        // More descriptors or memory than before, or processes left behind.
  kLogFlood = 1 << 6,      // More lines in the log than an attack may cause.
  kBusy = 1 << 7,          // It doesn't come to rest.
  kWrong = 1 << 8,         // The attack got what it mustn't get.
  kGaveUp = 1 << 9,        // It has said what was wrong, and exited with an error.
  kNotStarted = 1 << 10,   // Not even the preparations worked.
};
std::string_view Name(Outcome outcome);

constexpr uint32_t operator|(Outcome a, Outcome b) {
  return static_cast<uint32_t>(a) | static_cast<uint32_t>(b);
}

// One row.
struct Attack {
  enum class Stage {
    kSocket,   // Connected, no message sent yet.
    kServing,  // The rings run.
  };

  std::string_view family;
  std::string_view name;
  // Once per round. Says what it finds wrong through the context.
  void (*run)(AttackContext&);
  uint32_t survives = static_cast<uint32_t>(Outcome::kAnswered);  // Outcomes that pass.
  // How often it is done. With more than 1, descriptors and memory are compared between an early
  // round and the last; the device is reset whenever a round has stopped the queue.
  int rounds = 1;
  Stage stage = Stage::kServing;
  bool init = true;          // FUSE_INIT has been sent.
  bool indirect = true;      // Indirect descriptors are negotiated.
  bool two_regions = false;  // Guest memory is two regions, one beginning where the other ends.
  std::vector<std::string> daemon_options = {};
};

// Constant tables, by what is broken.
std::span<const Attack> ChainAttacks();
std::span<const Attack> RingAttacks();
std::span<const Attack> NotificationAttacks();
std::span<const Attack> RequestAttacks();
std::span<const Attack> NameAttacks();
std::span<const Attack> SessionAttacks();
std::span<const Attack> FileAttacks();
std::span<const Attack> InodeAttacks();
std::span<const Attack> MessageAttacks();
std::span<const Attack> MemoryAttacks();
std::span<const Attack> VringAttacks();
std::span<const Attack> DisconnectAttacks();
// All of these.
std::vector<const Attack*> AllAttacks();

}  // namespace postern::hostile

#endif  // POSTERN_TESTS_HOSTILE_GUEST_ATTACK_H_
