// One row for each operation of the RPC.
#ifndef POSTERN_BROKER_OPERATIONS_OPERATION_TABLE_H_
#define POSTERN_BROKER_OPERATIONS_OPERATION_TABLE_H_

#include <cstdint>

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

namespace postern {

enum OperationFlags : uint32_t {
  // Starts or ends the session: the service does it. All others need one, and get EIO before it.
  kChangesSession = 1 << 0,
  kNoReply = 1 << 1,
  // May wait for a disk's cache or a server: what is answered already is sent before it begins.
  kMayBeSlow = 1 << 2,
  // A reply without error carries one descriptor; any other reply carries none.
  kAnswersDescriptor = 1 << 3,
  // Always writes to the share: EROFS in a read-only one, before anything is looked at. OPEN,
  // OPENDIR, CREATE and ACCESS depend on what they ask for, and look themselves.
  kChangesShare = 1 << 4,
};

struct OperationRow {
  const char* name = nullptr;  // As in rpc.proto.
  // What is malformed about the request, or null.
  const char* (*check)(const rpc::Request& request) = nullptr;
  // The node that it is about, or whose child, as the request says; 0: none.
  uint64_t (*node)(const rpc::Request& request) = nullptr;
  // Null with kChangesSession.
  ErrnoOrVoid (*run)(OperationContext& context, const rpc::Request& request,
                     rpc::Reply& reply) = nullptr;
  uint32_t flags = 0;
};

// Runs a request that its row's check has passed; not for kChangesSession.
ErrnoOrVoid RunOperation(const OperationRow& row, OperationContext& context,
                         const rpc::Request& request, rpc::Reply& reply);

// Null for OPERATION_NOT_SET and for whatever rpc.proto doesn't define.
const OperationRow* FindOperation(rpc::Request::OperationCase operation);

}  // namespace postern

#endif  // POSTERN_BROKER_OPERATIONS_OPERATION_TABLE_H_
