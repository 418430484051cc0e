// Holds an absl::Mutex for a scope. abseil's own class takes the mutex by pointer in versions up to
// 2025 and by reference in later ones, which warn of the other: this one is the same with all.
#ifndef POSTERN_COMMON_MUTEX_LOCK_H_
#define POSTERN_COMMON_MUTEX_LOCK_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

namespace postern {

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(absl::Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }

 private:
  absl::Mutex& mutex_;
};

// Among other readers.
class ABSL_SCOPED_LOCKABLE ReaderMutexLock {
 public:
  explicit ReaderMutexLock(absl::Mutex& mutex) ABSL_SHARED_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.ReaderLock();
  }
  ReaderMutexLock(const ReaderMutexLock&) = delete;
  ReaderMutexLock& operator=(const ReaderMutexLock&) = delete;
  ~ReaderMutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.ReaderUnlock(); }

 private:
  absl::Mutex& mutex_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_MUTEX_LOCK_H_
