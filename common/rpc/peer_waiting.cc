#include "common/rpc/peer_waiting.h"

#include <sched.h>

#include "common/rpc/processor.h"

namespace postern {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// Coming back sooner than this sched_yield(2) has switched to nobody. Two switches and what the
// other does in between take longer; if they ever don't, one more sleep is all that is lost.
constexpr nanoseconds kTwoSwitches{900};

// What comes at once comes sooner without a system call before each look.
constexpr nanoseconds kPatience = microseconds(1);
// While the peer waits for this processor, too, and has nothing to do, giving way to it only delays
// what is waited for.
constexpr nanoseconds kPatienceNearPeer = microseconds(30);

// A processor that was only asleep wakes sooner than that.
constexpr microseconds kLate{300};
constexpr std::chrono::milliseconds kFollowPause{1};

}  // namespace

void PeerWaiting::FollowPeer(const RpcChannel& peer) {
  if (peer.PeerSharesProcessor()) return;
  const Clock::time_point now = Clock::now();
  const nanoseconds late = peer.SinceWoken();
  crowd_.Lost(late, now);
  if ((late < kLate && !crowd_.IsHere(now)) || now - followed_ < kFollowPause) return;
  followed_ = now;
  MoveToProcessor(peer.peer_processor());
}

void PeerWaiting::BeginIdle(For what, Clock::time_point now) {
  idle_ = true;
  what_ = what;
  slept_ = crowd_.IsHere(now);
  way_ = what == For::kOthersNearPeer && !slept_ ? others_.Choose() : WaitWay::kLook;
  idle_since_ = looked_ = now;
}

nanoseconds PeerWaiting::Patience() const {
  if (what_ == For::kNearPeer || way_ == WaitWay::kYield) return nanoseconds(0);
  return what_ == For::kOthersNearPeer ? kPatienceNearPeer : kPatience;
}

bool PeerWaiting::Again(For what) {
  if (poll_.budget().count() == 0) return false;
  const Clock::time_point now = Clock::now();
  if (!idle_) BeginIdle(what, now);
  if (slept_) return false;
  crowd_.Lost(now - looked_, now);
  looked_ = now;
  const nanoseconds idle = now - idle_since_;
  slept_ =
      crowd_.IsHere(now) || idle >= (what_ == For::kNearPeer ? poll_.budget() : poll_.window());
  if (slept_ || idle < Patience()) return !slept_;
  sched_yield();
  looked_ = Clock::now();
  crowd_.Lost(looked_ - now, looked_);
  // Nobody else wants this processor: then the peer sleeps, or has gone to another.
  slept_ = crowd_.IsHere(looked_) || (what_ == For::kNearPeer && looked_ - now < kTwoSwitches);
  return !slept_;
}

void PeerWaiting::EndIdle() {
  idle_ = false;
  const nanoseconds gap = Clock::now() - idle_since_;
  if (crowd_.IsHere(looked_)) return;  // It says nothing of what it is like to be alone.
  if (what_ == For::kOthersNearPeer && gap <= 2 * poll_.budget()) others_.Learn(gap);
  if (what_ != For::kNearPeer) poll_.Learn(gap);
}

}  // namespace postern
