#include "common/rpc/peer_waiting.h"

namespace postern {
namespace {

// The peer needs one turn for its answer, unless others want this processor, too.
constexpr int kTurnsForAnswer = 3;

}  // namespace

void PeerWaiting::LetPeerAnswer(const RpcChannel& peer) {
  turns_.Busy();
  for (int turn = 0; turn < kTurnsForAnswer; ++turn) {
    if (peer.MayHaveMessage() || !turns_.Again()) return;
  }
}

}  // namespace postern
