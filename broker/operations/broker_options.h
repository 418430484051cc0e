// What the command line says of how the share behaves.
#ifndef POSTERN_BROKER_OPERATIONS_BROKER_OPTIONS_H_
#define POSTERN_BROKER_OPERATIONS_BROKER_OPTIONS_H_

#include <absl/status/statusor.h>

#include <cstdint>

#include "broker/identity/id_map.h"
#include "broker/identity/xattr_map.h"
#include "proto/config.pb.h"

namespace postern {

// Immutable once the service runs.
struct FilesystemOptions {
  bool xattr = false;           // Extended attributes exist.
  bool posix_acl = false;       // The guest may negotiate ACLs.
  bool security_label = false;  // New objects may get security contexts.
  bool readonly = false;
  bool preserve_noatime = false;
  bool allow_direct_io = false;
  uint64_t max_inodes = 0;  // 0: no limit.
  XattrMap xattr_map;
  IdMap ids;
};

// InvalidArgument if the maps are no maps, or for a combination that the launcher doesn't offer.
absl::StatusOr<FilesystemOptions> FilesystemOptionsFrom(const config::BrokerConfig& config);

}  // namespace postern

#endif  // POSTERN_BROKER_OPERATIONS_BROKER_OPTIONS_H_
