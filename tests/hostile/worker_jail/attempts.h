// What a taken-over worker tries from inside its jail.
#ifndef POSTERN_TESTS_HOSTILE_WORKER_JAIL_ATTEMPTS_H_
#define POSTERN_TESTS_HOSTILE_WORKER_JAIL_ATTEMPTS_H_

#include <span>
#include <string_view>

namespace postern {

// What an honest worker holds, too.
struct Loot {
  int reading = -1;  // "file" of the share, opened by the broker for reading.
  int writing = -1;  // "writable", for reading and writing.
  int control = -1;  // To the launcher.
};

struct Attempt {
  // At most 36 bytes: it comes to the worker as the tag.
  const char* name;
  // 0 or more: it has worked. -1: errno says why not.
  long (*run)(const Loot& loot);
  // Refused by the rest of the jail alone, too, without the seccomp filter.
  bool refused_unfiltered;
};

std::span<const Attempt> Attempts();
// Null if there is none of that name.
const Attempt* FindAttempt(std::string_view name);

}  // namespace postern

#endif  // POSTERN_TESTS_HOSTILE_WORKER_JAIL_ATTEMPTS_H_
