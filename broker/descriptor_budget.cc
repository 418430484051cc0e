#include "broker/descriptor_budget.h"

#include <absl/strings/str_cat.h>
#include <sys/resource.h>

#include "common/channel.h"
#include "common/logging.h"

namespace postern {
namespace {

// Standard streams, channels of control, epoll, eventfds, the root, /proc, and a margin.
constexpr size_t kProcessDescriptors = 100;
// What one thread may hold in passing: the descriptors of one message that it then refuses, and
// those of an operation that aren't in a table yet.
constexpr size_t kThreadDescriptors = kMaxMessageDescriptors + 8;
// Below this a guest notices.
constexpr size_t kFewDescriptors = 128;

}  // namespace

void DescriptorBudget::Share::GiveBack() {
  if (budget_ != nullptr) budget_->used_.fetch_sub(1, std::memory_order_relaxed);
}

absl::StatusOr<size_t> DescriptorBudget::LimitFor(size_t threads, size_t channels) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
    return absl::InternalError(absl::StrCat("getrlimit(RLIMIT_NOFILE): ", Errno::Last().Message()));
  }
  const size_t own = kProcessDescriptors + threads * kThreadDescriptors + channels;
  if (limit.rlim_cur <= own) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the limit of open files, ", limit.rlim_cur, ", is too small: ", own,
                     " are needed before the first one of the guest"));
  }
  const size_t left = limit.rlim_cur - own;
  if (left < kFewDescriptors) {
    LOG(WARNING) << "only " << left << " descriptors are left for the guest's files";
  }
  return left;
}

ErrnoOr<DescriptorBudget::Share> DescriptorBudget::Take() {
  // Raise first, so that two threads can't both take the last one.
  if (used_.fetch_add(1, std::memory_order_relaxed) >= limit_) {
    used_.fetch_sub(1, std::memory_order_relaxed);
    POSTERN_LOG_ONCE(WARNING) << "the guest holds " << limit_
                              << " files, the most that the limit of open files allows";
    return Errno(ENFILE);
  }
  return Share(this);
}

}  // namespace postern
