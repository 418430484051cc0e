// What a queue's thread does between one pass over its work and the next.
#ifndef POSTERN_WORKER_QUEUE_PASS_SCHEDULE_H_
#define POSTERN_WORKER_QUEUE_PASS_SCHEDULE_H_

namespace postern {

// A state machine without I/O: told what a pass has seen, it says what comes next. Its state is
// what it said last. Belongs to the queue's thread.
class PassSchedule {
 public:
  enum class Step {
    kPass,        // The next pass, at once.
    kAwaitReply,  // The next pass begins with waiting for the broker's reply and nothing else.
    kLookAgain,   // The next pass, as long as looking again pays; then sleep.
    kSleep,       // Sleep until there is something to do, then the next pass.
  };

  struct Seen {
    // The ring may have more requests than one pass takes. Then nothing else counts.
    bool more_requests = false;
    // The broker has answered something.
    bool replies = false;
    // The broker hasn't answered all, and needs the processor of this thread for it.
    bool broker_needs_processor = false;
    // The batch waits for room in the socket.
    bool blocked = false;
  };

  Step step() const { return step_; }

  // After a pass, which began as step() says. Where the broker needs this processor for its answer,
  // nothing but the answer is waited for, once. If that takes long, for all: by sleeping, because
  // to look for work would only keep the broker from doing its own.
  Step Next(const Seen& seen) {
    const bool reply_is_late = step_ == Step::kAwaitReply && !seen.replies;
    if (seen.more_requests) {
      step_ = Step::kPass;
    } else if (!seen.broker_needs_processor) {
      step_ = Step::kLookAgain;
    } else if (reply_is_late || seen.blocked) {
      step_ = Step::kSleep;
    } else {
      step_ = Step::kAwaitReply;
    }
    return step_;
  }

 private:
  Step step_ = Step::kPass;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_PASS_SCHEDULE_H_
