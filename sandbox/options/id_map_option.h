// The grammar of --uid-map and --gid-map.
#ifndef POSTERN_SANDBOX_OPTIONS_ID_MAP_OPTION_H_
#define POSTERN_SANDBOX_OPTIONS_ID_MAP_OPTION_H_

#include <string_view>

#include "common/status.h"
#include "sandbox/jail/id_maps.h"

namespace postern {

// ":INSIDE:OUTSIDE:COUNT:", with any other ASCII character than a letter or digit in place of ":".
absl::StatusOr<IdMapRange> ParseIdMapRange(std::string_view text);

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_ID_MAP_OPTION_H_
