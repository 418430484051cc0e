// File operations that only the broker can do rightly.
//
// The worker has no capability, so whatever it writes clears a file's set-user-ID and set-group-ID
// bits. A writer with CAP_FSETID in the guest keeps them: then the broker, which has it too,
// writes. And where a filesystem keeps its last blocks for root (ext4: 5 %), the guest's root has
// them by the broker, who is root.
#ifndef POSTERN_WORKER_QUEUE_BROKERED_FILE_H_
#define POSTERN_WORKER_QUEUE_BROKERED_FILE_H_

#include "common/errno_or.h"
#include "proto/bounds.h"
#include "proto/rpc.pb.h"
#include "worker/fuse/file_operation.h"
#include "worker/virtio/descriptor_chain.h"

namespace postern {

// Whether `operation`, as decoded, would take set-id bits that it mustn't take.
bool NeedsBroker(const FileOperation& operation);

// Whether `operation`, which the worker has done for the guest's user `uid`, has failed for want of
// room that root may have. It is then as it was decoded, for the broker to do.
bool MayUseReservedRoom(FileOperation& operation, uint32_t uid);

// Checks one that does. EINVAL for offsets that the kernel's type doesn't hold.
ErrnoOrVoid CheckBrokered(const FileOperation& operation);

// Asks for the next part of it: what is left of a WRITE, rpc::kMaxWriteBytes at most, copied from
// guest memory now; the others whole.
void AskForPart(const FileOperation& operation, const DescriptorChain& chain,
                rpc::Request& request);

// Takes the answer to that. kWouldBlock: there is another part to ask for. A WRITE whose later part
// fails or is short has written what it has, as with write(2). EIO for an answer that isn't one.
FileProgress TakePart(FileOperation& operation, const rpc::Reply& reply);

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_BROKERED_FILE_H_
