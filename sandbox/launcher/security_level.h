// A machine's SELinux level: the categories that tell it from the others. libvirt and the like run
// every machine in the same domain and tell them apart by two categories of each machine's own; so
// do worker and broker, if these have domains of their own.
#ifndef POSTERN_SANDBOX_LAUNCHER_SECURITY_LEVEL_H_
#define POSTERN_SANDBOX_LAUNCHER_SECURITY_LEVEL_H_

#include <sys/stat.h>

#include <optional>
#include <string>

#include "common/status.h"

namespace postern {

// `context`, USER:ROLE:TYPE:LEVEL, with another level. None if it has no level: the policy knows
// none.
std::optional<std::string> WithLevel(const std::string& context, const std::string& level);
// The level of a context, "s0:c1,c2" or "s0-s0:c0.c1023"; none as above.
std::optional<std::string> LevelOf(const std::string& context);

class SecurityLevel {
 public:
  // What --selinux-level says, or else what the inherited listening socket has, which whoever runs
  // the machine has labelled, or else (`socket` is -1) what this process has. Of a range that isn't
  // asked for only the low end: the high one is what a manager of machines has, not a machine. An
  // error if an option can't be obeyed, as this host has no SELinux or its policy no levels.
  static absl::StatusOr<SecurityLevel> Choose(const std::optional<std::string>& option, int socket);

  // The context in which to execute `program`: what the policy says, at this level. Nothing where
  // the policy alone decides: without SELinux, without levels, or without a domain of its own for
  // the program, which is an error if an option asked for the level.
  absl::StatusOr<std::optional<std::string>> ContextFor(const std::string& program) const;

 private:
  friend class ScopedLabel;

  std::optional<std::string> level_;
  bool asked_for_ = false;  // By the option: it is that or nothing.
};

// Sets the context of the next execve(2). For the child, right before that.
absl::Status SetContextOfExec(const std::string& context);

// While it lives, what is made gets the level if an option asked for it.
class ScopedLabel {
 public:
  // Files of `type` (S_IFREG, S_IFSOCK) in `directory`.
  static absl::StatusOr<ScopedLabel> OfFiles(const SecurityLevel& level, int directory,
                                             mode_t type);
  static absl::StatusOr<ScopedLabel> OfSockets(const SecurityLevel& level);
  ScopedLabel(ScopedLabel&& other) noexcept;
  ScopedLabel& operator=(ScopedLabel&&) = delete;
  ~ScopedLabel();

 private:
  // Of libselinux: sets the context of what is made; null resets it.
  using SetContext = int (*)(const char* context);

  explicit ScopedLabel(SetContext reset) : reset_(reset) {}
  SetContext reset_;  // Null: nothing was set.
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_SECURITY_LEVEL_H_
