// The grammar of -o: options as the C implementation of virtiofsd took them.
#ifndef POSTERN_SANDBOX_OPTIONS_COMPAT_OPTIONS_H_
#define POSTERN_SANDBOX_OPTIONS_COMPAT_OPTIONS_H_

#include <string_view>

#include "common/status.h"
#include "sandbox/options/options.h"

namespace postern {

// Applies "item,item=value,…" in order. A doubled comma is a comma in an item: libvirt writes paths
// so, and virtiofsd has no other use for it than an error.
absl::Status ApplyCompatOptions(std::string_view list, Options& options);

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_COMPAT_OPTIONS_H_
