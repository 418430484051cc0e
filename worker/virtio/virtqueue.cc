#include "worker/virtio/virtqueue.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

namespace postern {

ErrnoOr<std::unique_ptr<Virtqueue>> Virtqueue::Activate(const VirtqueueSettings& settings,
                                                        std::shared_ptr<const MemoryTable> memory) {
  POSTERN_ASSIGN_OR_RETURN(const SplitRing ring, SplitRing::Locate(settings, *memory));
  return std::unique_ptr<Virtqueue>(new Virtqueue(settings, ring, std::move(memory)));
}

Virtqueue::Virtqueue(const VirtqueueSettings& settings, const SplitRing& ring,
                     std::shared_ptr<const MemoryTable> memory)
    : settings_(settings),
      ring_(ring),
      reader_(ring, std::move(memory), settings.indirect_descriptors,
              std::max(kMaxIndirectDescriptors, settings.size)),
      next_avail_(settings.next_avail),
      seen_avail_(settings.next_avail),
      used_(ring_.LoadUsedIndex()),
      decided_(used_),
      taken_with_(settings.size) {
  // 2.7.10.1: with EVENT_IDX the flags must be 0. A ring may have run without it before.
  if (settings_.event_index) ring_.StoreUsedFlags(0);
}

Virtqueue::PopResult Virtqueue::Break(std::string reason) {
  broken_ = true;
  broken_reason_ = std::move(reason);
  return PopResult::kBroken;
}

void Virtqueue::UseMemory(std::shared_ptr<const MemoryTable> memory) {
  uint32_t in_flight = in_flight_;
  for (const EarlierMemory& earlier : earlier_) in_flight -= earlier.in_flight;
  if (in_flight > 0) earlier_.push_back({memory_number_, reader_.memory(), in_flight});
  ++memory_number_;
  if (!broken_) {
    const ErrnoOr<SplitRing> ring = SplitRing::Locate(settings_, *memory);
    if (ring.ok()) {
      ring_ = *ring;
    } else {
      Break("it isn't in the new memory table");
    }
  }
  reader_.Use(ring_, std::move(memory));
}

Virtqueue::PopResult Virtqueue::Pop(DescriptorChain& chain) {
  if (broken_) return PopResult::kBroken;
  if (seen_avail_ == next_avail_) {
    seen_avail_ = ring_.LoadAvailableIndex();
    const auto available = static_cast<uint16_t>(seen_avail_ - next_avail_);
    if (available == 0) return PopResult::kEmpty;
    // Or stale slots would be served, over and over.
    if (available > ring_.size()) {
      return Break(absl::StrCat("available index ", seen_avail_, " is ", available, " ahead of ",
                                next_avail_));
    }
  }
  const uint16_t head = ring_.LoadAvailableHead(next_avail_);
  if (!TakeHead(head)) return PopResult::kBroken;
  switch (reader_.Read(head, chain)) {
    case ChainReader::Result::kOk:
      return PopResult::kChain;
    case ChainReader::Result::kUnmapped:
      Push(head, 0);
      return PopResult::kFailed;
    case ChainReader::Result::kMalformed:
      break;
  }
  LetGo(head);
  return Break(absl::StrCat("chain ", head, ": ", reader_.reason()));
}

bool Virtqueue::TakeHead(uint16_t head) {
  if (head >= ring_.size()) {
    Break(absl::StrCat("available head ", head, " in a ring of ", ring_.size()));
    return false;
  }
  // Two requests under one head couldn't be told apart when they complete.
  if (taken_with_[head] != 0) {
    Break(absl::StrCat("chain ", head, " made available while it is in flight"));
    return false;
  }
  // A chain has at least one descriptor until the guest sees it used, so more than size()
  // outstanding ones can't be.
  if (in_flight_ + staged_ >= ring_.size()) {
    Break("more chains available than there are descriptors");
    return false;
  }
  taken_with_[head] = memory_number_;
  ++in_flight_;
  ++next_avail_;
  return true;
}

void Virtqueue::LetGo(uint16_t head) {
  const uint32_t number = std::exchange(taken_with_[head], 0);
  --in_flight_;
  if (number == memory_number_) return;
  const auto earlier = std::ranges::find(earlier_, number, &EarlierMemory::number);
  if (--earlier->in_flight == 0) earlier_.erase(earlier);
}

void Virtqueue::Push(uint16_t head, uint32_t written) {
  if (head >= taken_with_.size() || taken_with_[head] == 0) return;
  LetGo(head);
  if (broken_) return;
  ring_.StoreUsedElement(static_cast<uint16_t>(used_ + staged_), head, written);
  ++staged_;
}

void Virtqueue::Show() {
  if (broken_ || staged_ == 0) return;
  used_ = static_cast<uint16_t>(used_ + staged_);
  staged_ = 0;
  ring_.StoreUsedIndex(used_);
}

bool Virtqueue::Publish() {
  Show();
  if (broken_ || decided_ == used_) return false;
  const uint16_t before = decided_;
  decided_ = used_;
  // 2.7.13.4.1, 2.7.7.1: the driver writes what it wants and then looks at the index, we write the
  // index and then look at what it wants. Without a full fence on both sides each may miss the
  // other, and a completion waits forever.
  SplitRing::FullFence();
  if (!settings_.event_index) return (ring_.LoadAvailableFlags() & VRING_AVAIL_F_NO_INTERRUPT) == 0;
  // Whether the batch went past used_event. The same as vring_need_event() of linux/virtio_ring.h.
  const uint16_t event = ring_.LoadUsedEvent();
  return static_cast<uint16_t>(used_ - event - 1) < static_cast<uint16_t>(used_ - before);
}

void Virtqueue::DisableNotification() {
  // With EVENT_IDX nothing is to do: the driver kicks when it passes avail_event, and that stays
  // behind. 2.7.10
  if (broken_ || settings_.event_index) return;
  ring_.StoreUsedFlags(VRING_USED_F_NO_NOTIFY);
}

bool Virtqueue::EnableNotification() {
  if (broken_) return false;
  if (settings_.event_index) {
    ring_.StoreAvailableEvent(next_avail_);
  } else {
    ring_.StoreUsedFlags(0);
  }
  // The mirror image of the fence in Publish().
  SplitRing::FullFence();
  return HasAvailable();
}

bool Virtqueue::HasAvailable() const {
  if (broken_) return false;
  return seen_avail_ != next_avail_ || ring_.LoadAvailableIndex() != next_avail_;
}

}  // namespace postern
