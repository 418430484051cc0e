#include "broker/service/channel_owners.h"

namespace postern {

ChannelOwners::ChannelOwners(size_t channels, int turn_messages)
    : turn_messages_(turn_messages), channels_(channels) {}

bool ChannelOwners::Own(size_t channel) {
  Claim nobody = kNobody;
  return channels_[channel].claim.compare_exchange_strong(nobody, kReceiving);
}

void ChannelOwners::Release(size_t channel) { channels_[channel].claim = kNobody; }

ChannelOwners::Claim ChannelOwners::BeginWork(size_t channel) {
  const Claim claim = last_claim_.fetch_add(1, std::memory_order_relaxed) + 1;
  channels_[channel].claim = claim;
  return claim;
}

bool ChannelOwners::EndWork(size_t channel, Claim claim) {
  return channels_[channel].claim.compare_exchange_strong(claim, kReceiving);
}

bool ChannelOwners::StartsTimer() { return !timer_runs_ && !timer_runs_.exchange(true); }

ChannelOwners::Work ChannelOwners::ReleaseIfStuck(size_t channel) {
  Claim claim = channels_[channel].claim;
  if (claim == kNobody || claim == kReceiving) return Work::kNone;
  if (channels_[channel].seen.exchange(claim, std::memory_order_relaxed) != claim) {
    return Work::kBegun;
  }
  const bool stuck = channels_[channel].claim.compare_exchange_strong(claim, kNobody);
  return stuck ? Work::kReleased : Work::kNone;
}

ChannelOwners::State ChannelOwners::SaveForTest() const {
  State state{.channels = {},
              .last_claim = last_claim_,
              .idle_threads = idle_threads_,
              .timer_runs = timer_runs_};
  for (const Channel& channel : channels_) state.channels.push_back({channel.claim, channel.seen});
  return state;
}

void ChannelOwners::RestoreForTest(const State& state) {
  for (size_t i = 0; i < channels_.size(); ++i) {
    channels_[i].claim = state.channels[i].claim;
    channels_[i].seen = state.channels[i].seen;
  }
  last_claim_ = state.last_claim;
  idle_threads_ = state.idle_threads;
  timer_runs_ = state.timer_runs;
}

}  // namespace postern
