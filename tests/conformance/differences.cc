#include "tests/conformance/differences.h"

#include <fnmatch.h>

namespace postern::conformance {
namespace {

constexpr KnownDifference kDifferences[] = {
    {"data/*", "fallocate * mode [48]* ok", "fallocate * EOPNOTSUPP",
     "Linux's FUSE client knows no such fallocate"},
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
