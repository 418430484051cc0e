#include "broker/operations/caller.h"

namespace postern {

ErrnoOr<HostCredentials> ToHost(const IdMap& ids, const rpc::Credentials& credentials) {
  HostCredentials host;
  POSTERN_ASSIGN_OR_RETURN(host.uid, ids.ToHost(GuestUid(credentials.uid())));
  POSTERN_ASSIGN_OR_RETURN(host.gid, ids.ToHost(GuestGid(credentials.gid())));
  for (const uint32_t gid : credentials.supplementary_gids()) {
    POSTERN_ASSIGN_OR_RETURN(const HostGid group, ids.ToHost(GuestGid(gid)));
    host.groups.push_back(group.value());
  }
  return host;
}

ErrnoOr<ScopedCredentials> ActAs(OperationContext& context, const rpc::Credentials& credentials) {
  const Filesystem& filesystem = context.filesystem;
  POSTERN_ASSIGN_OR_RETURN(HostCredentials host, ToHost(filesystem.ids(), credentials));
  // A guest that hasn't negotiated the extension doesn't send groups; if its worker does, they
  // aren't the guest's.
  if (!context.session.options.supplementary_groups) host.groups.clear();
  return ScopedCredentials::Enter(filesystem.credentials(), host);
}

}  // namespace postern
