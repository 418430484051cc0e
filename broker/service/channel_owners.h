// Which of the service's threads receives from which channel.
#ifndef POSTERN_BROKER_SERVICE_CHANNEL_OWNERS_H_
#define POSTERN_BROKER_SERVICE_CHANNEL_OWNERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace postern {

// Any thread serves any channel, and stays with it while there are messages: its owner. A thread
// that is long at work on a message loses its channel, and while no thread is idle the channels
// take turns. Knows nothing of what a channel or a timer is: the caller watches, rings and sets it.
// Thread-safe.
//
// (1) One receiver: a thread receives from a channel from an Own() or EndWork() that says yes until
//     its Release() or BeginWork(). No other thread does in this time, however long it takes: who
//     receives doesn't block, and if it stands still it is for want of a processor.
// (2) At work: from BeginWork() to EndWork() the channel may be taken away. EndWork() says whether
//     it was.
// (3) Nothing is missed: who gives a channel up, by Release() or by a ReleaseIfStuck() that did so,
//     has it watched after that, and has a thread told if there is a message already. A thread that
//     is told of a message and finds the channel owned may leave it: its owner looks again before
//     it gives the channel up, or after.
// (4) Timer: while a thread is at work the timer runs, or a thread that has been told of its expiry
//     is about to look. BeginWork() stores the claim before StartsTimer() looks at the timer, and
//     TimerExpired() resets the timer before ReleaseIfStuck() looks at the claim.
class ChannelOwners {
 public:
  // One message's work on one channel. Never used twice.
  using Claim = uint64_t;

  // After so many messages in a row of one channel the others have their turn.
  static constexpr int kTurnMessages = 64;

  explicit ChannelOwners(size_t channels, int turn_messages = kTurnMessages);

  // A thread waits for an event of any channel's, and has one.
  void BeginIdle() { ++idle_threads_; }
  void EndIdle() { --idle_threads_; }

  // Takes a channel that nobody owns. False if somebody does.
  bool Own(size_t channel);
  // By the receiver.
  void Release(size_t channel);
  // By the receiver, who is at work on a message from here on. Call StartsTimer() next.
  Claim BeginWork(size_t channel);
  // The work is done. False if the channel was taken away.
  bool EndWork(size_t channel, Claim claim);
  // Whether the thread that has received so many messages in a row has to give its channel up.
  bool IsTurnOver(int messages) const { return messages >= turn_messages_ && idle_threads_ == 0; }

  // Whether the caller has to start the timer: it doesn't run.
  bool StartsTimer();
  // The timer has expired. Call ReleaseIfStuck() for each channel next.
  void TimerExpired() { timer_runs_ = false; }
  enum class Work {
    kNone,      // Nobody is at work.
    kBegun,     // Not long ago: call StartsTimer() in the end.
    kReleased,  // It was there when the timer expired before: the channel has been taken away.
  };
  Work ReleaseIfStuck(size_t channel);

  // What there is to it, for tests that go through all that can happen.
  struct State {
    struct Channel {
      Claim claim;
      Claim seen;
    };
    std::vector<Channel> channels;
    Claim last_claim;
    size_t idle_threads;
    bool timer_runs;
  };
  State SaveForTest() const;
  void RestoreForTest(const State& state);

 private:
  static constexpr Claim kNobody = 0;
  static constexpr Claim kReceiving = 1;

  // On cache lines of its own: each message changes it twice.
  struct alignas(64) Channel {
    // What its owner does: it receives, or is at work. kNobody: the channel is watched.
    std::atomic<Claim> claim{kNobody};
    // The one that was there when the timer last expired.
    std::atomic<Claim> seen{kNobody};
  };

  const int turn_messages_;
  std::vector<Channel> channels_;
  std::atomic<Claim> last_claim_{kReceiving};
  std::atomic<size_t> idle_threads_{0};
  std::atomic<bool> timer_runs_{false};
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_CHANNEL_OWNERS_H_
