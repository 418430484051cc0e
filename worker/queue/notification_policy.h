// When a driver that wants to be notified of completions is.
#ifndef POSTERN_WORKER_QUEUE_NOTIFICATION_POLICY_H_
#define POSTERN_WORKER_QUEUE_NOTIFICATION_POLICY_H_

#include <cstdint>

namespace postern {

// A completion is told of at once: waking a guest's processor takes as long as many requests. Not
// so while replies are taken that have come together: of what they complete the first wakes a
// driver that sleeps, and each so-manieth. All of them take less than its waking, and if it runs on
// this processor each time costs two switches. What isn't told of at once is with what follows, at
// the latest at the end of the queue's pass. Belongs to the queue's thread.
class NotificationPolicy {
 public:
  static constexpr uint32_t kRepliesPerNotification = 16;

  // Replies that have come together are taken while this lives.
  class Replies {
   public:
    explicit Replies(NotificationPolicy& policy) : policy_(policy) {
      policy_.replies_ = true;
      policy_.completed_ = 0;
    }
    ~Replies() { policy_.replies_ = false; }
    Replies(const Replies&) = delete;
    Replies& operator=(const Replies&) = delete;

   private:
    NotificationPolicy& policy_;
  };

  // A request has been completed: whether to tell of it, and of those before it, now.
  bool Completed() { return !replies_ || completed_++ % kRepliesPerNotification == 0; }

 private:
  bool replies_ = false;
  uint32_t completed_ = 0;  // By the replies.
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_NOTIFICATION_POLICY_H_
