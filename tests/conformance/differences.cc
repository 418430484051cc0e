#include "tests/conformance/differences.h"

#include <fnmatch.h>

#include <algorithm>

namespace postern::conformance {
namespace {

constexpr KnownDifference kDifferences[] = {
    {"", "space/fallocate/collapse/*", "*", "*",
     "Linux's FUSE client has no FALLOC_FL_COLLAPSE_RANGE"},
    {"", "space/fallocate/insert/*", "*", "*", "Linux's FUSE client has no FALLOC_FL_INSERT_RANGE"},
    {"killpriv-v2", "set-id/fallocate/by-root/*", "stat *", "stat *",
     "FALLOCATE doesn't say whether the caller may keep set-id bits: they go"},
    {"killpriv-v2", "set-id/copy-into/by-root/*", "stat *", "stat *",
     "COPY_FILE_RANGE doesn't say whether the caller may keep set-id bits: they go"},
    {"writeback", "time/write", "*", "*",
     "to write a part of a page the guest reads the rest of it, which is an access"},
    {"writeback", "time/truncate-to-same-size", "*", "*",
     "with its own idea of times, Linux's FUSE client doesn't change them if the size stays"},
    {"killpriv-v2", "set-id/chown-neither/by-root/*", "stat *", "stat *",
     "Linux's FUSE client sends no owner, and it is by the owner that the server knows a chown"},
    {"killpriv-v2", "set-id/*/by-owner/2745", "stat * file 2745 *", "stat * file 0745 *",
     "the host's kernel looks at whether the daemon is in the file's group, not the guest's user"},
    {"killpriv-v2", "set-id/*/by-owner/6666", "stat * file 2666 *", "stat * file 0666 *",
     "the host's kernel looks at whether the daemon is in the file's group, not the guest's user"},
    {"translated-ids", "creation/*/in-set-gid*/by-root*", "lstat * 2750 nlink *",
     "lstat * 0750 nlink *", "the guest's root is a user without CAP_FSETID on the host"},
};

bool Matches(const char* pattern, const std::string& text) {
  return fnmatch(pattern, text.c_str(), 0) == 0;
}

}  // namespace

std::span<const KnownDifference> KnownDifferences() { return kDifferences; }

const char* Explanation(const std::vector<std::string>& named, const std::string& check,
                        const std::string& local, const std::string& shared) {
  for (const KnownDifference& known : kDifferences) {
    if (*known.when != '\0' && std::ranges::count(named, known.when) == 0) continue;
    if (Matches(known.check, check) && Matches(known.local, local) &&
        Matches(known.shared, shared)) {
      return known.reason;
    }
  }
  return nullptr;
}

}  // namespace postern::conformance
