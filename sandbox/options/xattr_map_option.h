// The grammar of --xattrmap.
#ifndef POSTERN_SANDBOX_OPTIONS_XATTR_MAP_OPTION_H_
#define POSTERN_SANDBOX_OPTIONS_XATTR_MAP_OPTION_H_

#include <string_view>
#include <vector>

#include "common/status.h"
#include "proto/config.pb.h"

namespace postern {

// Rules with white space between them; the first character of a rule is its separator (shown as
// ":"):
//   :TYPE:SCOPE:KEY:PREPEND:   TYPE prefix, ok, bad or unsupported; SCOPE client, server or all
//   :map:KEY:PREPEND:          the last rule; stands for two or three of the others
// The result has no `map` any more and decides about every name in both directions: a map that
// leaves a name open is an error, where virtiofsd would panic when it meets one.
absl::StatusOr<std::vector<config::XattrRule>> ParseXattrMap(std::string_view text);

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_XATTR_MAP_OPTION_H_
