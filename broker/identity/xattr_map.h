// Between the names that extended attributes have for the guest and for the host.
#ifndef POSTERN_BROKER_IDENTITY_XATTR_MAP_H_
#define POSTERN_BROKER_IDENTITY_XATTR_MAP_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/errno_or.h"
#include "proto/config.pb.h"

namespace postern {

// The rules of virtiofsd's --xattrmap. Immutable.
class XattrMap {
 public:
  XattrMap() = default;  // The identity.

  // InvalidArgument if a rule has no type, or if some name would match no rule.
  static absl::StatusOr<XattrMap> Make(
      const google::protobuf::RepeatedPtrField<config::XattrRule>& rules);

  // The host's name of what the guest calls `name`. EPERM if the guest may not use it, ENOTSUP if
  // it is to take it for unknown.
  ErrnoOr<std::string> ToHost(std::string_view name) const;
  // What the guest calls the host's `name`, which is a part of it; nothing if it is hidden.
  std::optional<std::string_view> ToGuest(std::string_view name) const;

  // Where the guest's security.capability is kept, if that isn't the host's own: then the host's
  // kernel doesn't remove it when the file changes. Empty otherwise.
  const std::string& remapped_capability() const { return remapped_capability_; }

 private:
  struct Rule {
    config::XattrRule::Type type;
    bool for_client;
    bool for_server;
    std::string key;
    std::string prepend;
  };

  std::vector<Rule> rules_;  // None: the identity.
  std::string remapped_capability_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_IDENTITY_XATTR_MAP_H_
