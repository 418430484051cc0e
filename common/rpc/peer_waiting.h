// How a thread waits for the process at the other end of its channel, and for others.
#ifndef POSTERN_COMMON_RPC_PEER_WAITING_H_
#define POSTERN_COMMON_RPC_PEER_WAITING_H_

#include <chrono>

#include "common/rpc/adaptive_poll.h"
#include "common/rpc/crowd.h"
#include "common/rpc/rpc_channel.h"
#include "common/rpc/wait_choice.h"

namespace postern {

// Whether to look again, to give the processor away, or to sleep is decided here and nowhere else.
// Belongs to one thread. Each Again…() may let others run; none sleeps.
//
//   while (true) {
//     if (DoWork()) waiting.Busy();
//     if (!waiting.AgainForPeer(channel)) Sleep();
//   }
//
// (1) Beside busy neighbours the thread sleeps (Crowd).
// (2) A peer on this thread's processor is given that, back and forth, as long as it takes it: that
//     costs half of what sleeping and waking does.
// (3) A peer on another processor, and others, are looked for as long as that has paid
//     (AdaptivePoll).
// (4) Others may run on this thread's processor or not, which nobody tells. So while the peer runs
//     here, what has come sooner decides (WaitChoice): looking alone, or letting others run in
//     between.
class PeerWaiting {
 public:
  // `budget`: how long a thread without work looks for some at the most; 0: not at all.
  explicit PeerWaiting(std::chrono::nanoseconds budget) : poll_(budget) {}

  // There was something to do.
  void Busy() {
    if (idle_) EndIdle();
  }

  // Nothing is there, and the peer is to bring something. True: look again.
  bool AgainForPeer(const RpcChannel& peer) {
    return Again(peer.PeerSharesProcessor() ? For::kNearPeer : For::kFarPeer);
  }

  // Nothing is there, and the peer owes nothing: others are waited for. True: look again.
  bool AgainForOthers(const RpcChannel& peer) {
    return Again(peer.PeerSharesProcessor() ? For::kOthersNearPeer : For::kOthers);
  }

  // The peer has just woken the thread. Where there are neighbours, moves the thread to the peer's
  // processor: there it runs as soon as the peer waits for it. No oftener than each millisecond.
  void FollowPeer(const RpcChannel& peer);

 private:
  using Clock = Crowd::Clock;

  enum class For { kNearPeer, kFarPeer, kOthersNearPeer, kOthers };

  bool Again(For what);
  void BeginIdle(For what, Clock::time_point now);
  void EndIdle();
  // After how long without work each look is followed by a yield.
  std::chrono::nanoseconds Patience() const;

  AdaptivePoll poll_;
  Crowd crowd_;
  WaitChoice others_;
  Clock::time_point followed_;

  // While there is nothing to do.
  bool idle_ = false;
  For what_ = For::kOthers;  // At the beginning.
  WaitWay way_ = WaitWay::kLook;
  bool slept_ = false;
  Clock::time_point idle_since_;
  Clock::time_point looked_;  // Last.
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_PEER_WAITING_H_
