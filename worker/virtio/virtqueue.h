// The device's side of a split virtqueue (VIRTIO 1.2, 2.7).
#ifndef POSTERN_WORKER_VIRTIO_VIRTQUEUE_H_
#define POSTERN_WORKER_VIRTIO_VIRTQUEUE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/errno_or.h"
#include "worker/virtio/chain_reader.h"
#include "worker/virtio/descriptor_chain.h"
#include "worker/virtio/memory_table.h"
#include "worker/virtio/split_ring.h"
#include "worker/virtio/virtqueue_settings.h"

namespace postern {

// A validated, running split virtqueue. Belongs to one thread at a time. No field of guest memory
// is read twice; once the guest has broken a rule that makes the ring meaningless, the queue is
// broken for good and touches guest memory no more.
class Virtqueue {
 public:
  // The most descriptors of an indirect table that are followed, beyond what VIRTIO allows (the
  // queue size): Linux before 5.13 sends indirect chains longer than the queue.
  static constexpr uint32_t kMaxIndirectDescriptors = 1024;

  enum class PopResult {
    kChain,   // `chain` holds the next request.
    kEmpty,   // Nothing is available now.
    kFailed,  // The chain's memory isn't the guest's: it has been Push()ed with length 0; go on.
    kBroken,  // The ring is broken; broken_reason() says why.
  };

  // Checks size (a power of two, 1 to 32768), alignment and that all three parts lie in `memory`,
  // takes the used index from the used ring. EINVAL or EFAULT.
  static ErrnoOr<std::unique_ptr<Virtqueue>> Activate(const VirtqueueSettings& settings,
                                                      std::shared_ptr<const MemoryTable> memory);
  ~Virtqueue() = default;
  Virtqueue(const Virtqueue&) = delete;
  Virtqueue& operator=(const Virtqueue&) = delete;

  // Goes on in another memory table, where the ring is the same one; if a part of it isn't there,
  // the ring is broken. What is in flight keeps the memory that it was taken with until it is
  // Push()ed.
  void UseMemory(std::shared_ptr<const MemoryTable> memory);

  // Takes the next available chain.
  PopResult Pop(DescriptorChain& chain);

  // Stages a used element: `written` bytes of the writable part, from its start. Any thread's order
  // of heads is fine. The guest doesn't see it before Show() or Publish(). A head that isn't in
  // flight is ignored.
  void Push(uint16_t head, uint32_t written);
  // Makes the staged elements visible: a driver that looks at the ring goes on with them while we
  // work on others. Publish() must follow, or one that sleeps isn't woken.
  void Show();
  // Show(), and returns whether the driver wants to be notified of what has become visible since
  // the last call (VIRTIO 1.2, 2.7.7). False if that is nothing.
  bool Publish();

  // Asks the driver for no notifications until EnableNotification(). A hint: kicks may come all the
  // same.
  void DisableNotification();
  // Asks for a notification of the next available chain, then looks again (after a full fence).
  // True if something is available already: then don't sleep.
  bool EnableNotification();
  // Whether something is available, without asking for notifications; for polling.
  bool HasAvailable() const;

  // Chains popped and not yet pushed.
  uint32_t in_flight() const { return in_flight_; }
  bool broken() const { return broken_; }
  const std::string& broken_reason() const { return broken_reason_; }
  // The next available index that Pop() would take: GET_VRING_BASE's answer.
  uint16_t next_avail() const { return next_avail_; }
  // What it runs on.
  const VirtqueueSettings& settings() const { return settings_; }

 private:
  Virtqueue(const VirtqueueSettings& settings, const SplitRing& ring,
            std::shared_ptr<const MemoryTable> memory);

  // A memory table that was replaced while chains were in flight.
  struct EarlierMemory {
    uint32_t number;
    std::shared_ptr<const MemoryTable> memory;
    uint32_t in_flight;  // Of the chains that were taken with it.
  };

  PopResult Break(std::string reason);
  // Takes `head` into flight. False if the ring's rules forbid it; then the ring is broken.
  bool TakeHead(uint16_t head);
  // Ends that. Precondition: `head` is in flight.
  void LetGo(uint16_t head);

  const VirtqueueSettings settings_;
  SplitRing ring_;
  ChainReader reader_;  // Holds the memory table.

  uint16_t next_avail_;  // Free-running, as all indices here; compared by 16-bit subtraction only.
  uint16_t seen_avail_;  // The driver's index when last looked at; never behind next_avail_.
  uint16_t used_;        // What the guest sees as used.idx.
  uint16_t decided_;     // used_ when it was last decided whether to notify.
  uint32_t staged_ = 0;  // Elements written behind used_ and not yet published.
  // Invariant: in_flight_ + staged_ <= size, so that the used ring can't overrun itself.
  uint32_t in_flight_ = 0;
  // By head: the number of the memory table with which a chain was taken that is in flight; 0:
  // none.
  std::vector<uint32_t> taken_with_;
  uint32_t memory_number_ = 1;  // The reader's.
  std::vector<EarlierMemory> earlier_;
  bool broken_ = false;
  std::string broken_reason_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_VIRTIO_VIRTQUEUE_H_
