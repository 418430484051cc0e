#include "broker/inodes/descriptor_budget.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>

#include "common/logging.h"

namespace postern {
namespace {

// Standard streams, channels of control, epoll, eventfds, the root, /proc, and a margin.
constexpr size_t kProcessDescriptors = 100;
// What one thread may hold in passing: the two descriptors for which a message that brings none has
// room all the same, and those of an operation that aren't in a table yet.
constexpr size_t kThreadDescriptors = 10;
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

void DescriptorBudget::GrowTable(int open, size_t limit) {
  // A failure costs those waits, and nothing else.
  const UniqueFd last(
      fcntl(open, F_DUPFD_CLOEXEC, static_cast<int>(std::min(limit, kMaxCached)) - 1));
}

void DescriptorBudget::SetLimit(size_t limit) {
  all_.set_limit(limit);
  opens_.set_limit(limit - limit / 8);
  inodes_.set_limit(limit - limit / 8);
}

void DescriptorBudget::SetCacheAside() {
  cached_.set_limit(CachedOf(limit()));
  SetLimit(limit() - cached_.limit());
}

ErrnoOr<DescriptorBudget::Share> DescriptorBudget::Take(Kind kind) {
  Budget& part = kind == Kind::kInode ? inodes_ : opens_;
  Share share = part.Take();
  if (share) return share;
  if (part.SaysSo()) {
    LOG(WARNING) << "the guest holds as many descriptors as the limit of open files allows: no "
                 << (kind == Kind::kInode ? "new file is known" : "file is opened")
                 << " until it gives some back";
  }
  return Errno(ENFILE);
}

}  // namespace postern
