// Seccomp filters as data. The only user of libseccomp.
#ifndef POSTERN_SANDBOX_POLICIES_SECCOMP_POLICY_H_
#define POSTERN_SANDBOX_POLICIES_SECCOMP_POLICY_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "common/status.h"
#include "proto/config.pb.h"

namespace postern {

// A test of one argument: (argument & mask) == value.
struct ArgumentCondition {
  unsigned index;
  uint64_t mask;
  uint64_t value;
};

// The whole of an argument that the kernel reads as 32 bits: it ignores the register's upper half,
// and so must the filter.
constexpr ArgumentCondition Is32(unsigned index, uint32_t value) {
  return {index, 0xffffffff, value};
}
// These bits of the argument are `value`.
constexpr ArgumentCondition Masked32(unsigned index, uint32_t mask, uint32_t value) {
  return {index, mask, value};
}
// None of these bits is set.
constexpr ArgumentCondition Without32(unsigned index, uint32_t bits) { return {index, bits, 0}; }

// When a row is used, which the test that watches a daemon at work reads: one that is kAlways and
// that nothing used is a row too many.
enum class RowUse {
  kAlways,     // By every daemon that works on this host.
  kRare,       // After a signal, an error or a log line, under contention, at a size, before abort.
  kElsewhere,  // With other versions of the C library, other kernels or other architectures.
};

// One allowed system call. Several rows for one call are alternatives; all conditions of a row must
// hold. A call that the architecture hasn't got (a pseudo number below 0) is ignored.
struct SeccompRow {
  int syscall;
  std::optional<ArgumentCondition> first;
  std::optional<ArgumentCondition> second;
  const char* reason;  // Who needs it, and when.
  RowUse use;

  constexpr SeccompRow(int number, const char* why, RowUse when = RowUse::kAlways)
      : syscall(number), reason(why), use(when) {}
  constexpr SeccompRow(int number, ArgumentCondition condition, const char* why,
                       RowUse when = RowUse::kAlways)
      : syscall(number), first(condition), reason(why), use(when) {}
  constexpr SeccompRow(int number, ArgumentCondition condition, ArgumentCondition other,
                       const char* why, RowUse when = RowUse::kAlways)
      : syscall(number), first(condition), second(other), reason(why), use(when) {}
};

// What is in no row is refused; calls of other architectures (i386, x32) kill the process whatever
// the action is.
using SeccompPolicy = std::vector<SeccompRow>;

// The rows of all of them, in order.
SeccompPolicy Join(std::initializer_list<std::span<const SeccompRow>> policies);

// Whether the row, or a row of the policy, allows the call, by the same reading as the filter's.
bool Allows(const SeccompRow& row, int syscall, std::span<const uint64_t, 6> arguments);
bool Allows(std::span<const SeccompRow> policy, int syscall,
            std::span<const uint64_t, 6> arguments);

// Loads the filter into all threads of the process (TSYNC). NONE loads nothing. Precondition:
// no_new_privs is set.
absl::Status LoadSeccompPolicy(std::span<const SeccompRow> policy, config::SeccompAction action);

}  // namespace postern

#endif  // POSTERN_SANDBOX_POLICIES_SECCOMP_POLICY_H_
