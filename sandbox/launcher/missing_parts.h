// What a jail lacks of what posternd builds where it may, and why.
#ifndef POSTERN_SANDBOX_LAUNCHER_MISSING_PARTS_H_
#define POSTERN_SANDBOX_LAUNCHER_MISSING_PARTS_H_

#include <string>
#include <vector>

#include "sandbox/jail/capabilities.h"
#include "sandbox/launcher/launch_plan.h"

namespace postern {

// What decides it besides the plan.
struct Surroundings {
  bool is_root = false;
  CapabilitySet permitted = {};
  // Supplementary groups of the caller's.
  bool groups = false;
  // Something keeps processes from using Landlock (LandlockIsRefused()).
  bool landlock_refused = false;
};
absl::StatusOr<Surroundings> LookAtSurroundings();

// Each with its reason in parentheses: an option that leaves it out, or a right that the caller
// hasn't got. What a kernel doesn't know, and what a plain user never gets, is none of these.
std::vector<std::string> MissingJailParts(const LaunchPlan& plan, const Surroundings& here);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_MISSING_PARTS_H_
