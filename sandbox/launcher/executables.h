// Where the worker and the broker are.
#ifndef POSTERN_SANDBOX_LAUNCHER_EXECUTABLES_H_
#define POSTERN_SANDBOX_LAUNCHER_EXECUTABLES_H_

#include <string>
#include <vector>

#include "common/status.h"

namespace postern {

// Absolute, without symbolic links.
struct Executables {
  std::string broker;
  std::string worker;
};

// Those that belong to this posternd. An error names the places looked in.
absl::StatusOr<Executables> FindExecutables();

// The places to look for `program` (postern-FOLDER) in, in order: beside posternd, in a build
// tree's folders, in the libexec directory as it lies from posternd's own (whatever prefix it was
// installed to, and wherever the tree was moved), in the one that was compiled in. `own_path` is
// posternd's: absolute, without symbolic links.
std::vector<std::string> ExecutableCandidates(const std::string& own_path,
                                              const std::string& folder);

// The first candidate that is a program, without symbolic links. Some of the places follow from
// where posternd happens to lie, which may be beside directories that anybody can make (/tmp). So a
// program is taken only from those who could have replaced posternd as well: it and its directory
// belong to root, the caller, or the owner of posternd (the file `own_path`), and nobody else may
// write to them who may not write to posternd's directory. One that fails this is named in the
// error, too.
absl::StatusOr<std::string> FindProgram(const std::string& own_path,
                                        const std::vector<std::string>& candidates);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_EXECUTABLES_H_
