// FUSE requests over one virtqueue: many at a time, nothing allocated on the way.
#ifndef POSTERN_TESTS_VMM_FUSE_QUEUE_H_
#define POSTERN_TESTS_VMM_FUSE_QUEUE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/errno_or.h"
#include "tests/vmm/driver_queue.h"
#include "tests/vmm/fuse_request.h"
#include "tests/vmm/guest_memory.h"

namespace postern::vmm {

// Usage: Begin(), encode (fuse_requests.h), Submit(), as often as wished; Flush() makes the batch
// visible with one kick at most; Reap() or Wait() calls the completions. Belongs to one thread at a
// time.
class FuseQueue {
 public:
  enum class WaitMode {
    kBlock,  // Sleeps on the call descriptor.
    kPoll,   // Looks at the used ring over and over; asks the device for no calls; no system call.
  };
  struct Options {
    size_t slots = 0;        // Requests at a time; 0: as many as the ring has descriptors.
    size_t in_bytes = 8192;  // Of header, arguments and names of a request.
    size_t out_bytes = 512;  // Of header and arguments of a reply.
    Framing framing = Framing::kLinux;
    bool split_pages =
        true;  // With Framing::kLinux: a descriptor per page of data, as before large folios.
    WaitMode wait = WaitMode::kBlock;
    bool yields = false;  // With kPoll: gives the CPU to other threads that poll on it.
    int hangup_fd = -1;   // The vhost-user connection: Wait() ends with ENOTCONN when it does.
    uint16_t index = 0;   // Distinguishes the uniques of several queues.
  };

  // `ring` and `memory` must outlive it.
  static ErrnoOr<std::unique_ptr<FuseQueue>> Create(GuestMemory& memory, DriverQueue& ring,
                                                    const Options& options);

  // A free slot, or null. It is taken until its completion or Discard().
  FuseRequest* Begin();
  void Discard(FuseRequest& request) { free_.push_back(&request); }
  // Puts the request into the ring. `completion` may be null. E2BIG: it can never go; ENOSPC: not
  // now, the request keeps its slot and may be submitted again.
  ErrnoOrVoid Submit(FuseRequest& request, FuseRequest::Completion completion, void* context);
  // A chain of the caller's own, for requests that no encoder would make. The completion gets the
  // used length in data_bytes, and nothing is checked.
  ErrnoOrVoid SubmitRaw(std::span<const Segment> readable, std::span<const Segment> writable,
                        FuseRequest::Completion completion, void* context);
  // Makes what was submitted visible to the device and kicks it if it wants that.
  void Flush();

  // Calls the completions of at most `max` requests. Never blocks. Returns how many there were.
  // EPROTO: the device has broken a rule; violation() says which.
  ErrnoOr<size_t> Reap(size_t max = SIZE_MAX);
  // Flushes, then reaps at least one, waiting for it if need be. ETIMEDOUT, ENOTCONN, EPROTO.
  ErrnoOr<size_t> Wait(std::chrono::milliseconds limit = std::chrono::seconds(30));
  // Lets the completion of `context`'s requests come to nothing: who waited for it is gone.
  void Abandon(const void* context);
  // Forgets everything in flight, after FrontEnd::Reset().
  void Reset();

  size_t in_flight() const { return in_flight_; }
  size_t slots() const { return requests_.size(); }
  // The first rule that the device broke; empty if none.
  const std::string& violation() const { return violation_; }
  uint64_t kicks() const { return kicks_; }
  uint64_t sleeps() const { return sleeps_; }
  // What Wait() has spent without a reply, asleep or looking for one.
  std::chrono::nanoseconds waited() const { return waited_; }
  DriverQueue& ring() { return ring_; }
  GuestMemory& memory() { return memory_; }
  void set_wait_mode(WaitMode mode) { options_.wait = mode; }
  void set_framing(Framing framing) { options_.framing = framing; }

 private:
  FuseQueue(GuestMemory& memory, DriverQueue& ring, const Options& options)
      : memory_(memory), ring_(ring), options_(options) {}
  ErrnoOrVoid Complete(const DriverQueue::Used& used);
  ErrnoOrVoid Poll(std::chrono::steady_clock::time_point deadline);
  ErrnoOrVoid Block(std::chrono::steady_clock::time_point deadline);
  Errno Violated(const char* rule);

  GuestMemory& memory_;
  DriverQueue& ring_;
  Options options_;
  std::vector<std::unique_ptr<FuseRequest>> requests_;  // Their addresses are given out.
  std::vector<FuseRequest*> free_;
  std::vector<bool> raw_;  // By slot.
  size_t in_flight_ = 0;
  uint64_t next_unique_ = 0;
  uint64_t kicks_ = 0;
  uint64_t sleeps_ = 0;
  std::chrono::nanoseconds waited_{0};
  std::string violation_;
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_FUSE_QUEUE_H_
