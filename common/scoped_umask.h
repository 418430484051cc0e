// A umask for a while.
#ifndef POSTERN_COMMON_SCOPED_UMASK_H_
#define POSTERN_COMMON_SCOPED_UMASK_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>

namespace postern {

// While it lives `mask` is the umask, of the calling thread if that has one of its own, else of the
// process. Without a mask it does nothing. umask(2) can't fail.
class ScopedUmask {
 public:
  explicit ScopedUmask(std::optional<mode_t> mask) {
    if (mask) old_ = umask(*mask);
  }
  ScopedUmask(const ScopedUmask&) = delete;
  ScopedUmask& operator=(const ScopedUmask&) = delete;
  ~ScopedUmask() {
    if (old_) umask(*old_);
  }

 private:
  std::optional<mode_t> old_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_SCOPED_UMASK_H_
