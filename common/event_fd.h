// eventfd(2) as an object.
#ifndef POSTERN_COMMON_EVENT_FD_H_
#define POSTERN_COMMON_EVENT_FD_H_

#include <utility>

#include "common/errno_or.h"
#include "common/unique_fd.h"

namespace postern {

// A counter that one side raises and another polls. Both calls are async-signal-safe and never
// block.
class EventFd {
 public:
  static ErrnoOr<EventFd> Create();

  // Takes an eventfd that was made by Create(), maybe in another process.
  static EventFd Adopt(UniqueFd fd) { return EventFd(std::move(fd)); }
  UniqueFd TakeDescriptor() { return std::move(fd_); }

  // Makes fd() readable. Safe from any thread.
  void Signal() const;
  // Clears it. Returns whether it had been signalled.
  bool Drain() const;
  int fd() const { return fd_.get(); }

 private:
  explicit EventFd(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_EVENT_FD_H_
