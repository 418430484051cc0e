#include "broker/service/waiting_room.h"

#include <utility>

#include "common/mutex_lock.h"

namespace postern {

bool WaitingRoom::Put(Work& work) {
  if (most_of_a_device_ == 0) return false;
  const MutexLock lock(mutex_);
  if (closed_ || waiting_.size() >= kMaxWaiting) return false;
  waiting_.push_back(std::move(work));
  return true;
}

std::deque<WaitingRoom::Work>::const_iterator WaitingRoom::NextLocked() const {
  auto next = waiting_.begin();
  for (; next != waiting_.end(); ++next) {
    const auto running = running_.find(next->device);
    if (running == running_.end() || running->second < most_of_a_device_) break;
  }
  return next;
}

bool WaitingRoom::MayTakeLocked() const { return closed_ || NextLocked() != waiting_.end(); }

std::optional<WaitingRoom::Work> WaitingRoom::Take() {
  std::deque<Work> dropped;  // Ends outside of the lock: it may hold the last of a session.
  const MutexLock lock(mutex_);
  mutex_.Await(absl::Condition(this, &WaitingRoom::MayTakeLocked));
  if (closed_) {
    dropped.swap(waiting_);
    return std::nullopt;
  }
  const auto next = waiting_.begin() + (NextLocked() - waiting_.cbegin());
  Work work = std::move(*next);
  waiting_.erase(next);
  ++running_[work.device];
  return work;
}

void WaitingRoom::Done(uint64_t device) {
  const MutexLock lock(mutex_);
  const auto running = running_.find(device);
  if (--running->second == 0) running_.erase(running);
}

void WaitingRoom::Close() {
  const MutexLock lock(mutex_);
  closed_ = true;
}

}  // namespace postern
