// The table of FUSE operations: one row per opcode that is served.
#ifndef POSTERN_WORKER_FUSE_FUSE_OPERATIONS_H_
#define POSTERN_WORKER_FUSE_FUSE_OPERATIONS_H_

#include <cstdint>
#include <span>

#include "worker/fuse/fuse_decode.h"
#include "worker/fuse/fuse_encode.h"

namespace postern {

// Who carries a request out.
enum class FuseRoute : uint8_t {
  kBroker,      // Asked over the RPC; `decode` and `encode`.
  kForget,      // Asked over the RPC without a reply to anyone; `decode`.
  kFile,        // The worker itself; `decode_file` and `encode_file`.
  kInitialize,  // INIT: settled here, told to the broker.
  kIgnore,      // No effect and no reply (INTERRUPT).
};

struct FuseOperation {
  using Decode = ErrnoOrVoid (*)(const DecodeContext&, FuseArguments&, rpc::Request&);
  using Encode = ErrnoOrVoid (*)(const EncodeContext&, const rpc::Reply&, FusePayload&);
  using DecodeFile = ErrnoOrVoid (*)(const DecodeContext&, FuseArguments&, FileOperation&);
  using EncodeFile = void (*)(const FileOperation&, FusePayload&);

  uint32_t opcode = 0;
  const char* name = nullptr;
  FuseRoute route = FuseRoute::kIgnore;
  Decode decode = nullptr;
  Encode encode = nullptr;
  DecodeFile decode_file = nullptr;
  EncodeFile encode_file = nullptr;  // Null: no payload.

  bool replies() const { return route != FuseRoute::kForget && route != FuseRoute::kIgnore; }
};

// The row of `opcode`, or null: then the answer is ENOSYS.
const FuseOperation* FindFuseOperation(uint32_t opcode);

// All rows, for tests and tracing.
std::span<const FuseOperation> AllFuseOperations();

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_FUSE_OPERATIONS_H_
