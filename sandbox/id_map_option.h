// The grammar of --uid-map and --gid-map.
#ifndef POSTERN_SANDBOX_ID_MAP_OPTION_H_
#define POSTERN_SANDBOX_ID_MAP_OPTION_H_

#include <string_view>

#include "sandbox/id_maps.h"
#include "sandbox/status.h"

namespace postern {

// ":INSIDE:OUTSIDE:COUNT:", with any other ASCII character than a letter or digit in place of ":".
absl::StatusOr<IdMapRange> ParseIdMapRange(std::string_view text);

}  // namespace postern

#endif  // POSTERN_SANDBOX_ID_MAP_OPTION_H_
