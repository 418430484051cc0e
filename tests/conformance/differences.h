// The differences between a shared tree and a local one that are meant.
#ifndef POSTERN_TESTS_CONFORMANCE_DIFFERENCES_H_
#define POSTERN_TESTS_CONFORMANCE_DIFFERENCES_H_

#include <span>
#include <string>
#include <vector>

namespace postern::conformance {

// Patterns are fnmatch(3)'s, over whole strings.
struct KnownDifference {
  const char* when;  // Only in runs that name this; "" for all.
  const char* check;
  const char* local;   // The line of the local tree.
  const char* shared;  // The line of the shared one.
  const char* reason;
};

std::span<const KnownDifference> KnownDifferences();

// The reason, or null if nothing explains it. `named` are what the run names.
const char* Explanation(const std::vector<std::string>& named, const std::string& check,
                        const std::string& local, const std::string& shared);

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_DIFFERENCES_H_
