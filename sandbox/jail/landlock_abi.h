// Landlock's interface (linux/landlock.h, Documentation/userspace-api/landlock.rst), as
// distributions with older headers don't have all of it. Each constant with the kernel that brought
// it.
#ifndef POSTERN_SANDBOX_JAIL_LANDLOCK_ABI_H_
#define POSTERN_SANDBOX_JAIL_LANDLOCK_ABI_H_

#include <cstdint>

namespace postern::landlock {

// System calls, the same on every architecture (Linux 5.13).
inline constexpr long kCreateRuleset = 444;
inline constexpr long kAddRule = 445;
inline constexpr long kRestrictSelf = 446;
inline constexpr uint32_t kCreateRulesetVersion = 1 << 0;
inline constexpr int kRulePathBeneath = 1;

// landlock_ruleset_attr. A kernel that knows less takes it if what it doesn't know is 0.
struct RulesetAttributes {
  uint64_t handled_access_fs;   // Linux 5.13, ABI 1
  uint64_t handled_access_net;  // Linux 6.7, ABI 4
  uint64_t scoped;              // Linux 6.12, ABI 6
};
// landlock_path_beneath_attr.
struct __attribute__((packed)) PathBeneathAttributes {
  uint64_t allowed_access;
  int32_t parent_fd;
};
static_assert(sizeof(RulesetAttributes) == 24 && sizeof(PathBeneathAttributes) == 12);

// Rights on files.
inline constexpr uint64_t kExecute = uint64_t{1} << 0;
inline constexpr uint64_t kWriteFile = uint64_t{1} << 1;
inline constexpr uint64_t kReadFile = uint64_t{1} << 2;
inline constexpr uint64_t kRemoveFile = uint64_t{1} << 5;
inline constexpr uint64_t kTruncate = uint64_t{1} << 14;         // Linux 6.2, ABI 3
inline constexpr uint64_t kFilesAbi1 = (uint64_t{1} << 13) - 1;  // Linux 5.13
inline constexpr uint64_t kFilesAbi2 = (uint64_t{1} << 14) - 1;  // Linux 5.19: to refer
inline constexpr uint64_t kFilesAbi3 = (uint64_t{1} << 15) - 1;  // Linux 6.2: to truncate
inline constexpr uint64_t kFilesAbi5 = (uint64_t{1} << 16) - 1;  // Linux 6.10: ioctl on devices
// Those that a rule for one file may have.
inline constexpr uint64_t kOneFile = kExecute | kWriteFile | kReadFile | kTruncate;
// To bind and to connect TCP sockets (Linux 6.7, ABI 4).
inline constexpr uint64_t kTcp = 1 << 0 | 1 << 1;
// Processes outside: their abstract Unix sockets; signals to them (Linux 6.12, ABI 6).
inline constexpr uint64_t kAbstractSockets = 1 << 0;
inline constexpr uint64_t kSignals = 1 << 1;

}  // namespace postern::landlock

#endif  // POSTERN_SANDBOX_JAIL_LANDLOCK_ABI_H_
