// The grammar of --modcaps.
#ifndef POSTERN_SANDBOX_OPTIONS_CAPABILITY_OPTION_H_
#define POSTERN_SANDBOX_OPTIONS_CAPABILITY_OPTION_H_

#include <string_view>

#include "common/status.h"
#include "sandbox/jail/capabilities.h"

namespace postern {

// What to add to the broker's capabilities and what to take from them. No capability is in both.
struct CapabilityChanges {
  CapabilitySet added;
  CapabilitySet removed;
};

// "+NAME:-NAME:…", names in any case without "CAP_"; of two items for one capability the later one
// holds.
absl::StatusOr<CapabilityChanges> ParseCapabilityChanges(std::string_view text);

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_CAPABILITY_OPTION_H_
