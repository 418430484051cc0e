#include "common/event_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace postern {

ErrnoOr<EventFd> EventFd::Create() {
  UniqueFd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return Errno::Last();
  return EventFd(std::move(fd));
}

void EventFd::Signal() const {
  const uint64_t one = 1;
  // The only failure is EAGAIN at the counter's maximum, and then it is readable anyway.
  [[maybe_unused]] const ssize_t written = write(fd_.get(), &one, sizeof(one));
}

bool EventFd::Drain() const {
  uint64_t count = 0;
  return read(fd_.get(), &count, sizeof(count)) == sizeof(count);
}

}  // namespace postern
