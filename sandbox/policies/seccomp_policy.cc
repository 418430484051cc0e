#include "sandbox/policies/seccomp_policy.h"

#include <seccomp.h>

#include <memory>

namespace postern {
namespace {

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};

absl::StatusOr<uint32_t> LibraryAction(config::SeccompAction action) {
  switch (action) {
    case config::SECCOMP_ACTION_KILL:
      return SCMP_ACT_KILL_PROCESS;
    case config::SECCOMP_ACTION_LOG:
      return SCMP_ACT_LOG;
    case config::SECCOMP_ACTION_TRAP:
      return SCMP_ACT_TRAP;
    default:
      return ErrorStatus("the configuration names no seccomp action");
  }
}

// libseccomp's functions return a negative errno.
absl::Status Check(int result, const char* step) {
  if (result < 0) return ErrnoStatus(step, -result);
  return absl::OkStatus();
}

absl::Status AddRow(scmp_filter_ctx filter, const SeccompRow& row) {
  scmp_arg_cmp conditions[2];
  unsigned count = 0;
  for (const auto& condition : {row.first, row.second}) {
    if (!condition) continue;
    conditions[count++] = {condition->index, SCMP_CMP_MASKED_EQ, condition->mask, condition->value};
  }
  return Check(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, row.syscall, count, conditions),
               "seccomp: adding a system call");
}

bool Holds(const std::optional<ArgumentCondition>& condition,
           std::span<const uint64_t, 6> arguments) {
  return !condition || (arguments[condition->index] & condition->mask) == condition->value;
}

}  // namespace

SeccompPolicy Join(std::initializer_list<std::span<const SeccompRow>> policies) {
  SeccompPolicy joined;
  for (const auto& policy : policies) joined.insert(joined.end(), policy.begin(), policy.end());
  return joined;
}

bool Allows(const SeccompRow& row, int syscall, std::span<const uint64_t, 6> arguments) {
  return row.syscall == syscall && Holds(row.first, arguments) && Holds(row.second, arguments);
}

bool Allows(std::span<const SeccompRow> policy, int syscall,
            std::span<const uint64_t, 6> arguments) {
  for (const SeccompRow& row : policy) {
    if (Allows(row, syscall, arguments)) return true;
  }
  return false;
}

absl::Status LoadSeccompPolicy(std::span<const SeccompRow> policy, config::SeccompAction action) {
  if (action == config::SECCOMP_ACTION_NONE) return absl::OkStatus();
  POSTERN_TRY_ASSIGN(const uint32_t refusal, LibraryAction(action));
  const std::unique_ptr<void, ReleaseFilter> filter(seccomp_init(refusal));
  if (!filter) return ErrorStatus("seccomp: no memory for the filter");
  POSTERN_TRY(Check(seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
                    "seccomp: other architectures"));
  POSTERN_TRY(
      Check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1), "seccomp: all threads"));
  // Already set, and checked by the kernel.
  POSTERN_TRY(
      Check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0), "seccomp: no_new_privs"));
  // A binary search over the calls instead of a list: it is on the path of each system call.
  POSTERN_TRY(
      Check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "seccomp: optimizing"));
  for (const SeccompRow& row : policy) POSTERN_TRY(AddRow(filter.get(), row));
  return Check(seccomp_load(filter.get()), "loading the seccomp filter");
}

}  // namespace postern
