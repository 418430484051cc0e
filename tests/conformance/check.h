// The checks: what is done on two trees, and must come to the same on both.
#ifndef POSTERN_TESTS_CONFORMANCE_CHECK_H_
#define POSTERN_TESTS_CONFORMANCE_CHECK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/conformance/script.h"

namespace postern::conformance {

// What a tree must have for a check to say something about it. Bits.
enum Needs : uint32_t {
  kNothing = 0,
  kKernel = 1 << 0,        // A kernel as client: permission checks, trailing slashes, fifos.
  kXattr = 1 << 1,         // Extended attributes.
  kAcl = 1 << 2,           // POSIX ACLs.
  kTmpfile = 1 << 3,       // O_TMPFILE.
  kTrustedXattr = 1 << 4,  // trusted.*, which the daemon needs CAP_SYS_ADMIN for.
  kSetIdOnOpen = 1 << 5,   // open(O_TRUNC) takes set-id bits away: Linux's client needs killpriv.
  kAllNeeds = (1 << 6) - 1,
};

struct Check {
  std::string name;  // "family/what"
  uint32_t needs = kNothing;
  std::function<void(Script&)> run;
};

// In the order in which they run. The names are distinct.
std::vector<Check> AllChecks();

// The users that checks become; not root's groups, and not each other's unless they say so.
inline constexpr uid_t kUser = 12001;
inline constexpr uid_t kOtherUser = 12002;
inline constexpr gid_t kGroup = 13001;
inline constexpr gid_t kOtherGroup = 13002;
inline constexpr gid_t kThirdGroup = 13003;

// One family each.
void AddNameChecks(std::vector<Check>& checks);  // Kinds of paths.
void AddTypeChecks(std::vector<Check>& checks);  // Operations on each type of file.
void AddRenameChecks(std::vector<Check>& checks);
void AddCreationChecks(std::vector<Check>& checks);    // Owner and mode of what is made.
void AddAttributeChecks(std::vector<Check>& checks);   // chmod, chown, utimens.
void AddTimeChecks(std::vector<Check>& checks);        // Which times an operation moves.
void AddSetIdChecks(std::vector<Check>& checks);       // What takes set-id bits away.
void AddDataChecks(std::vector<Check>& checks);        // read, write, truncate, append.
void AddSpaceChecks(std::vector<Check>& checks);       // fallocate, holes, copy_file_range.
void AddUnlinkedChecks(std::vector<Check>& checks);    // Open files without a name; O_TMPFILE.
void AddDirectoryChecks(std::vector<Check>& checks);   // readdir, link counts.
void AddPermissionChecks(std::vector<Check>& checks);  // Who may do what.
void AddXattrChecks(std::vector<Check>& checks);
void AddAclChecks(std::vector<Check>& checks);

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_CHECK_H_
