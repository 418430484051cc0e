#include "broker/inodes/descriptor_budget.h"

#include <absl/strings/str_cat.h>
#include <sys/resource.h>

#include <algorithm>

#include "common/logging.h"
#include "common/rpc/channel.h"

namespace postern {
namespace {

// Standard streams, channels of control, epoll, eventfds, the root, /proc, and a margin.
constexpr size_t kProcessDescriptors = 100;
// What one thread may hold in passing: the descriptors of one message that it then refuses, and
// those of an operation that aren't in a table yet.
constexpr size_t kThreadDescriptors = kMaxMessageDescriptors + 8;
// Below this a guest notices.
constexpr size_t kFewDescriptors = 128;
// The cache's part: little of a few, which the guest needs for its open files; half of what there
// is beyond; and no more than what a guest works on at one time. Each costs the kernel an open
// file, and keeps what it knows of the inode in memory.
constexpr size_t kManyDescriptors = 2048;
constexpr size_t kMaxCached = 16384;
constexpr size_t CachedOf(size_t limit) {
  const size_t beyond = limit > kManyDescriptors ? limit - kManyDescriptors : 0;
  return std::min(limit / 16 + beyond / 2, kMaxCached);
}

}  // namespace

void DescriptorBudget::Share::GiveBack() {
  if (budget_ == nullptr) return;
  if (kind_ == Kind::kCached) {
    budget_->cached_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  budget_->used_by(kind_).fetch_sub(1, std::memory_order_relaxed);
  const size_t left = budget_->used_.fetch_sub(1, std::memory_order_relaxed) - 1;
  if (left <= budget_->limit_ - budget_->limit_ / 4) budget_->notice_.Recovered();
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

void DescriptorBudget::SetCacheAside() {
  cache_limit_ = CachedOf(limit_);
  limit_ -= cache_limit_;
}

DescriptorBudget::Share DescriptorBudget::TakeCached() {
  if (cached_.fetch_add(1, std::memory_order_relaxed) < cache_limit_) {
    return Share(this, Kind::kCached);
  }
  cached_.fetch_sub(1, std::memory_order_relaxed);
  return Share();
}

ErrnoOr<DescriptorBudget::Share> DescriptorBudget::Take(Kind kind) {
  // Raise first, so that two threads can't both take the last one.
  const bool over_all = used_.fetch_add(1, std::memory_order_relaxed) >= limit_;
  const bool over_kind = used_by(kind).fetch_add(1, std::memory_order_relaxed) >= limit_of_kind();
  if (over_all || over_kind) {
    used_by(kind).fetch_sub(1, std::memory_order_relaxed);
    used_.fetch_sub(1, std::memory_order_relaxed);
    if (notice_.Hit()) {
      LOG(WARNING) << "the guest holds as many descriptors as the limit of open files allows: no "
                   << (kind == Kind::kInode ? "new file is known" : "file is opened")
                   << " until it gives some back";
    }
    return Errno(ENFILE);
  }
  return Share(this, kind);
}

}  // namespace postern
