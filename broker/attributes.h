// statx(2), and what the RPC makes of it.
#ifndef POSTERN_BROKER_ATTRIBUTES_H_
#define POSTERN_BROKER_ATTRIBUTES_H_

#include <sys/stat.h>

#include "broker/id_map.h"
#include "broker/inode.h"
#include "common/errno_or.h"
#include "common/path_component.h"
#include "proto/rpc.pb.h"

namespace postern {

// What `fd` (O_PATH will do) is open on. `more` are statx(2) fields besides the usual ones.
ErrnoOrVoid StatDescriptor(int fd, struct statx& status, unsigned more = 0);
// What `name` is in `directory`: the symlink itself if it is one, and without mounting anything.
ErrnoOrVoid StatName(int directory, const PathComponent& name, struct statx& status);

InodeIdentity IdentityOf(const struct statx& status);

void FillTimestamp(const struct statx_timestamp& time, rpc::Timestamp& to);

// All but the birth time.
void FillAttributes(const struct statx& status, const IdMap& ids, rpc::Attributes& attributes);

// The entry of `inode`, found in a directory of identity `parent`.
void FillEntry(const InodeIdentity& parent, const Inode& inode, const struct statx& status,
               const IdMap& ids, rpc::Entry& entry);

}  // namespace postern

#endif  // POSTERN_BROKER_ATTRIBUTES_H_
