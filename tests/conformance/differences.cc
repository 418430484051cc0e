#include "tests/conformance/differences.h"

#include <fnmatch.h>

namespace postern::conformance {
namespace {

constexpr KnownDifference kDifferences[] = {
    {"space/fallocate/collapse/*", "*", "*", "Linux's FUSE client has no FALLOC_FL_COLLAPSE_RANGE"},
    {"space/fallocate/insert/*", "*", "*", "Linux's FUSE client has no FALLOC_FL_INSERT_RANGE"},
};

bool Matches(const char* pattern, const std::string& text) {
  return fnmatch(pattern, text.c_str(), 0) == 0;
}

}  // namespace

std::span<const KnownDifference> KnownDifferences() { return kDifferences; }

const char* Explanation(const std::string& check, const std::string& local,
                        const std::string& shared) {
  for (const KnownDifference& known : kDifferences) {
    if (Matches(known.check, check) && Matches(known.local, local) &&
        Matches(known.shared, shared)) {
      return known.reason;
    }
  }
  return nullptr;
}

}  // namespace postern::conformance
