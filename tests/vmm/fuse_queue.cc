#include "tests/vmm/fuse_queue.h"

#include <poll.h>
#include <sched.h>

#include <algorithm>

namespace postern::vmm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kSpinsPerYield = 64;  // A few microseconds.

// Tells the processor that this is a spinning loop.
void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ErrnoOr<std::unique_ptr<FuseQueue>> FuseQueue::Create(GuestMemory& memory, DriverQueue& ring,
                                                      const Options& options) {
  std::unique_ptr<FuseQueue> queue(new FuseQueue(memory, ring, options));
  const size_t count = options.slots == 0 ? ring.size() : options.slots;
  queue->requests_.reserve(count);
  queue->free_.reserve(count);
  queue->raw_.assign(count, false);
  for (uint32_t i = 0; i < count; ++i) {
    // Headers and arguments of a direction come from one allocation, as in the guest's kernel.
    POSTERN_ASSIGN_OR_RETURN(GuestBuffer in, memory.Allocate(options.in_bytes));
    POSTERN_ASSIGN_OR_RETURN(GuestBuffer out, memory.Allocate(options.out_bytes));
    queue->requests_.push_back(std::make_unique<FuseRequest>(in, out, i));
  }
  // From the back, so that the first slots are the busy ones and stay in the cache.
  for (size_t i = count; i > 0; --i) queue->free_.push_back(queue->requests_[i - 1].get());
  return queue;
}

FuseRequest* FuseQueue::Begin() {
  if (free_.empty()) return nullptr;
  FuseRequest* request = free_.back();
  free_.pop_back();
  raw_[request->slot_] = false;
  return request;
}

ErrnoOrVoid FuseQueue::Submit(FuseRequest& request, FuseRequest::Completion completion,
                              void* context) {
  // Even numbers only: bit 0 marks an interrupt. The queue's number keeps them apart from other
  // queues'.
  request.header_.unique = (uint64_t{options_.index} << 48) | (next_unique_ += 2);
  if (!request.Finish(options_.framing, options_.split_pages)) return Errno(E2BIG);
  POSTERN_ASSIGN_OR_RETURN([[maybe_unused]] const uint16_t head,
                           ring_.Add(request.readable_, request.writable_, request.slot_));
  request.completion_ = completion;
  request.context_ = context;
  ++in_flight_;
  return {};
}

ErrnoOrVoid FuseQueue::SubmitRaw(std::span<const Segment> readable,
                                 std::span<const Segment> writable,
                                 FuseRequest::Completion completion, void* context) {
  FuseRequest* request = Begin();
  if (request == nullptr) return Errno(ENOSPC);
  auto added = ring_.Add(readable, writable, request->slot_);
  if (!added.ok()) {
    Discard(*request);
    return added.error();
  }
  raw_[request->slot_] = true;
  request->completion_ = completion;
  request->context_ = context;
  ++in_flight_;
  return {};
}

void FuseQueue::Flush() {
  if (!ring_.Publish()) return;
  ring_.Kick();
  ++kicks_;
}

Errno FuseQueue::Violated(const char* rule) {
  if (violation_.empty()) violation_ = rule;
  return Errno(EPROTO);
}

ErrnoOrVoid FuseQueue::Complete(const DriverQueue::Used& used) {
  FuseRequest& request = *requests_[used.token];
  --in_flight_;
  FuseReply reply;
  const char* violation = nullptr;
  ErrnoOrVoid result;
  if (raw_[request.slot_]) {
    reply.data_bytes = used.length;
  } else if (!request.ParseReply(used.length, reply, violation)) {
    result = Violated(violation);
    reply.error = EPROTO;
  }
  // The slot goes back first, so that a completion can begin the next request in it; the reply's
  // bytes stay until then.
  free_.push_back(&request);
  const FuseRequest::Completion completion = request.completion_;
  if (completion != nullptr) completion(request.context_, reply);
  return result;
}

ErrnoOr<size_t> FuseQueue::Reap(size_t max) {
  size_t count = 0;
  while (count < max) {
    auto used = ring_.PopUsed();
    if (!used.ok()) return Violated("the used ring names a chain that isn't in flight");
    if (!used->has_value()) break;
    POSTERN_RETURN_IF_ERROR(Complete(**used));
    ++count;
  }
  return count;
}

ErrnoOr<size_t> FuseQueue::Wait(std::chrono::milliseconds limit) {
  Flush();
  POSTERN_ASSIGN_OR_RETURN(const size_t done, Reap());
  if (done > 0) return done;
  const auto begin = Clock::now();
  POSTERN_RETURN_IF_ERROR(options_.wait == WaitMode::kBlock ? Block(begin + limit)
                                                            : Poll(begin + limit));
  waited_ += Clock::now() - begin;
  return Reap();
}

ErrnoOrVoid FuseQueue::Poll(Clock::time_point deadline) {
  ring_.DisableCalls();
  for (uint32_t spins = 0;; ++spins) {
    if (ring_.HasUsed()) return {};
    Pause();
    if (options_.yields && spins % kSpinsPerYield == kSpinsPerYield - 1) sched_yield();
    if (spins % 4096 != 4095) continue;
    if (Clock::now() >= deadline) return Errno(ETIMEDOUT);
    pollfd hangup{options_.hangup_fd, POLLRDHUP, 0};
    if (poll(&hangup, 1, 0) > 0 && !ring_.HasUsed()) return Errno(ENOTCONN);
  }
}

ErrnoOrVoid FuseQueue::Block(Clock::time_point deadline) {
  while (true) {
    if (ring_.EnableCalls()) break;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Errno(ETIMEDOUT);
    pollfd waiting[] = {{ring_.call_fd(), POLLIN, 0}, {options_.hangup_fd, POLLRDHUP, 0}};
    ++sleeps_;
    const int ready = poll(waiting, 2, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready < 0 && errno != EINTR) return Errno::Last();
    if (waiting[0].revents != 0) ring_.DrainCall();
    if (ring_.HasUsed()) break;
    if (waiting[1].revents != 0) return Errno(ENOTCONN);
  }
  ring_.DisableCalls();
  return {};
}

void FuseQueue::Abandon(const void* context) {
  for (const auto& request : requests_) {
    if (request->context_ == context) request->completion_ = nullptr;
  }
}

void FuseQueue::Reset() {
  free_.clear();
  for (size_t i = requests_.size(); i > 0; --i) free_.push_back(requests_[i - 1].get());
  in_flight_ = 0;
}

}  // namespace postern::vmm
