// What the RPC makes of statx(2).
#ifndef POSTERN_BROKER_IDENTITY_ATTRIBUTES_H_
#define POSTERN_BROKER_IDENTITY_ATTRIBUTES_H_

#include <sys/stat.h>

#include "broker/identity/id_map.h"
#include "broker/inodes/inode.h"
#include "proto/rpc.pb.h"

namespace postern {

void FillTimestamp(const struct statx_timestamp& time, rpc::Timestamp& to);

// All but the birth time.
void FillAttributes(const struct statx& status, const IdMap& ids, rpc::Attributes& attributes);

// The entry of `inode`, found in a directory of identity `parent`.
void FillEntry(const InodeIdentity& parent, const Inode& inode, const struct statx& status,
               const IdMap& ids, rpc::Entry& entry);

}  // namespace postern

#endif  // POSTERN_BROKER_IDENTITY_ATTRIBUTES_H_
