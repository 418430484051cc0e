#include "broker/operations/broker_options.h"

#include <utility>

namespace postern {
namespace {

bool Translates(const config::IdTranslation& translation) {
  return translation.to_host_size() != 0 || translation.to_guest_size() != 0;
}

}  // namespace

absl::StatusOr<FilesystemOptions> FilesystemOptionsFrom(const config::BrokerConfig& config) {
  // An ACL names ids, and its bytes go through untranslated: it would grant rights to others.
  if (config.posix_acl() &&
      (Translates(config.uid_translation()) || Translates(config.gid_translation()))) {
    return absl::InvalidArgumentError("ACLs and translated ids don't go together");
  }
  absl::StatusOr<XattrMap> xattr_map = XattrMap::Make(config.xattr_map());
  if (!xattr_map.ok()) return xattr_map.status();
  absl::StatusOr<IdMap> ids = IdMap::Make(config.uid_translation(), config.gid_translation());
  if (!ids.ok()) return ids.status();

  FilesystemOptions options;
  // Each of the others is nothing without them.
  options.xattr = config.xattr() || config.posix_acl() || config.security_label() ||
                  config.xattr_map_size() != 0;
  options.posix_acl = config.posix_acl();
  options.security_label = config.security_label();
  options.readonly = config.readonly();
  options.preserve_noatime = config.preserve_noatime();
  options.allow_direct_io = config.allow_direct_io();
  options.max_inodes = config.max_inodes();
  options.xattr_map = *std::move(xattr_map);
  options.ids = *std::move(ids);
  return options;
}

}  // namespace postern
