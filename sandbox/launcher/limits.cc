#include "sandbox/launcher/limits.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "common/errno_or.h"
#include "common/logging.h"

namespace postern {
namespace {

constexpr rlim_t kWantedDescriptors = 1'000'000;

rlim_t ReadNrOpen() {
  rlim_t nr_open = 0;
  std::ifstream("/proc/sys/fs/nr_open") >> nr_open;
  return nr_open != 0 ? nr_open : kWantedDescriptors;
}

void RaiseDescriptorLimit() {
  rlimit now{};
  if (getrlimit(RLIMIT_NOFILE, &now) < 0) {
    LOG(WARNING) << "Can't read the limit of open files: " << Errno::Last().Message();
    return;
  }
  const rlimit wanted = WantedDescriptorLimit(now, ReadNrOpen());
  if (wanted.rlim_cur == now.rlim_cur || setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
  const Errno error = Errno::Last();
  const rlimit possible{now.rlim_max, now.rlim_max};
  const bool raised = setrlimit(RLIMIT_NOFILE, &possible) == 0;
  LOG(WARNING) << "Can't set the limit of open files to " << wanted.rlim_cur << " ("
               << error.Message() << "): it is " << (raised ? now.rlim_max : now.rlim_cur);
}

}  // namespace

rlimit WantedDescriptorLimit(rlimit now, rlim_t nr_open) {
  const rlim_t target = std::min(kWantedDescriptors, nr_open);
  if (now.rlim_cur >= target) return now;
  return {target, std::max(target, now.rlim_max)};
}

absl::Status SetDescriptorLimit(std::optional<uint64_t> wanted) {
  if (!wanted) {
    RaiseDescriptorLimit();
    return absl::OkStatus();
  }
  if (*wanted == 0) return absl::OkStatus();
  const std::string step = "Error increasing number of open files";
  const rlim_t nr_open = ReadNrOpen();
  if (*wanted > nr_open) {
    return ErrorStatus(step + ": It cannot be increased above " + std::to_string(nr_open) +
                       " (--rlimit-nofile; sysctl fs.nr_open)");
  }
  const rlimit limit{*wanted, *wanted};
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
    return WithAdvice(ErrnoStatus(step),
                      "choose a lower --rlimit-nofile, or raise the caller's hard limit");
  }
  return absl::OkStatus();
}

}  // namespace postern
