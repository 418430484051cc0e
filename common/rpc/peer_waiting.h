// How a thread waits while the process at the other end of its channel may want the same processor.
#ifndef POSTERN_COMMON_RPC_PEER_WAITING_H_
#define POSTERN_COMMON_RPC_PEER_WAITING_H_

#include <chrono>

#include "common/rpc/adaptive_poll.h"
#include "common/rpc/rpc_channel.h"
#include "common/rpc/turn_taking.h"

namespace postern {

// Whether to look again, to give the processor away, or to sleep is decided here and nowhere else.
// Belongs to one thread. Each Again…() may let others run; none sleeps.
//
//   while (true) {
//     if (DoWork()) waiting.Busy();
//     if (!waiting.AgainForPeer(channel)) Sleep();
//   }
class PeerWaiting {
 public:
  // `budget`: how long a thread without work looks for some at the most; 0: not at all.
  explicit PeerWaiting(std::chrono::nanoseconds budget) : poll_(budget), turns_(budget) {}

  // There was something to do.
  void Busy() {
    poll_.Busy();
    turns_.Busy();
  }

  // Nothing is there, and only the peer can bring something. True: look again.
  bool AgainForPeer(const RpcChannel& peer) {
    // To go on looking on the peer's processor would only keep the peer from sending.
    return peer.PeerSharesProcessor() ? turns_.Again() : poll_.Again();
  }

  // Nothing is there, and the peer owes nothing: others are waited for. True: look again.
  bool AgainForOthers(const RpcChannel& peer) {
    // While the peer waits for this processor, too, and has nothing to do, giving way to it only
    // delays what is waited for.
    return peer.PeerSharesProcessor() ? poll_.Again(kPatienceWithOthers) : poll_.Again();
  }

  // Whether a peer that owes an answer needs this thread's processor for it: then looking for
  // anything but the answer only delays that.
  static bool PeerNeedsProcessor(const RpcChannel& peer) { return peer.PeerSharesProcessor(); }

  // Gives such a peer the processor, until it may have answered or doesn't want it.
  void LetPeerAnswer(const RpcChannel& peer);

 private:
  static constexpr std::chrono::microseconds kPatienceWithOthers{30};

  AdaptivePoll poll_;
  TurnTaking turns_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_PEER_WAITING_H_
