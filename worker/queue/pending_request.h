// Requests that were taken from a ring and aren't in its used ring yet.
#ifndef POSTERN_WORKER_QUEUE_PENDING_REQUEST_H_
#define POSTERN_WORKER_QUEUE_PENDING_REQUEST_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "worker/fuse/file_operation.h"
#include "worker/fuse/fuse_abi.h"
#include "worker/fuse/fuse_operations.h"
#include "worker/fuse/fuse_session.h"
#include "worker/fuse/request_notes.h"
#include "worker/virtio/descriptor_chain.h"

namespace postern {

class CompletionBox;

// The ids of the requests that the queue makes on its own account. PendingRequest's have a slot in
// their low half.
inline constexpr uint64_t kEndSessionId = uint64_t{1} << 63;
inline constexpr uint64_t kReleaseId = uint64_t{1} << 62;

// Belongs to its queue's thread, but for `file` and `chain` while an I/O pool thread carries the
// operation on.
struct PendingRequest {
  DescriptorChain chain;
  fuse_in_header header = {};
  const FuseOperation* operation = nullptr;
  RequestNotes notes;
  FileOperation file;                    // FuseRoute::kFile
  FuseNegotiation negotiation;           // FuseRoute::kInitialize
  CompletionBox* completions = nullptr;  // Where the pool puts it.
  // The guest has its answer and its memory back; what is still done for it comes to nobody.
  bool answered = false;
  uint32_t slot = 0;
  uint32_t sequence = 0;

  // What the RPC calls it: the sequence tells a late or made-up reply from one to the slot's
  // present request. Never 0.
  uint64_t rpc_id() const { return (uint64_t{sequence} << 32) | (slot + 1); }
  // For another question on its behalf: a new id.
  uint64_t NextRpcId() {
    ++sequence;
    return rpc_id();
  }
};

// The queue's requests, made on demand and used again. There are at most as many as the ring has
// entries.
class PendingRequests {
 public:
  explicit PendingRequests(CompletionBox* completions) : completions_(completions) {}

  PendingRequest& Take() {
    if (free_.empty()) {
      auto request = std::make_unique<PendingRequest>();
      request->completions = completions_;
      request->slot = static_cast<uint32_t>(all_.size());
      free_.push_back(request.get());
      all_.push_back(std::move(request));
    }
    PendingRequest& request = *free_.back();
    free_.pop_back();
    ++request.sequence;
    return request;
  }

  void Return(PendingRequest& request) {
    if (request.answered) --answered_;
    request.answered = false;
    request.operation = nullptr;
    request.file.file.reset();
    request.file.target.reset();
    request.notes = {};
    free_.push_back(&request);
  }

  // It is answered, and not Return()ed before all that was begun for it has ended.
  void MarkAnswered(PendingRequest& request) {
    request.answered = true;
    ++answered_;
  }
  // How many are.
  size_t answered() const { return answered_; }

  // Calls `visit` for each that is under way and not answered.
  template <typename Visit>
  void ForEachUnanswered(Visit visit) const {
    for (const auto& request : all_) {
      if (request->operation != nullptr && !request->answered) visit(*request);
    }
  }

  // The request under way that `id` names, or null.
  PendingRequest* Find(uint64_t id) const {
    const uint64_t slot = (id & UINT32_MAX) - 1;
    if (slot >= all_.size()) return nullptr;
    PendingRequest* request = all_[slot].get();
    return request->operation != nullptr && request->rpc_id() == id ? request : nullptr;
  }

 private:
  CompletionBox* const completions_;
  std::vector<std::unique_ptr<PendingRequest>> all_;
  std::vector<PendingRequest*> free_;
  size_t answered_ = 0;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_PENDING_REQUEST_H_
