// Where the worker and the broker are.
#ifndef POSTERN_SANDBOX_LAUNCHER_EXECUTABLES_H_
#define POSTERN_SANDBOX_LAUNCHER_EXECUTABLES_H_

#include <string>
#include <vector>

#include "common/status.h"

namespace postern {

struct Executables {
  std::string broker;
  std::string worker;
};

// Of this installation: beside posternd itself, in a build tree's folders, or in kLibexecDir.
absl::StatusOr<Executables> FindExecutables();

// The places looked at for `program` (postern-FOLDER), in order; `own_path` is posternd's.
std::vector<std::string> ExecutableCandidates(const std::string& own_path,
                                              const std::string& folder);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_EXECUTABLES_H_
