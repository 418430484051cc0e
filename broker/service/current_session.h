// The FUSE session that requests belong to.
#ifndef POSTERN_BROKER_SERVICE_CURRENT_SESSION_H_
#define POSTERN_BROKER_SERVICE_CURRENT_SESSION_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <memory>

#include "broker/operations/filesystem.h"
#include "common/errno_or.h"
#include "proto/rpc.pb.h"

namespace postern {

// None at first. Operations in progress keep the session that they began in. Thread-safe.
class CurrentSession {
 public:
  // `filesystem` is borrowed.
  explicit CurrentSession(Filesystem& filesystem) : filesystem_(filesystem) {}
  CurrentSession(const CurrentSession&) = delete;
  CurrentSession& operator=(const CurrentSession&) = delete;

  // Null if there is none.
  std::shared_ptr<Session> Get() const;
  // Does what a request of kChangesSession asks for: a new session begins, or none. On an error the
  // old one stays. Several channels' requests come in any order: EIO, and nothing happens, for the
  // beginning of a session older than the latest one, and nothing happens for the end of such a one
  // (0: of any).
  ErrnoOrVoid Change(const rpc::Request& request);

 private:
  Filesystem& filesystem_;
  mutable absl::Mutex mutex_;  // A leaf, held for the exchange of a pointer.
  std::shared_ptr<Session> session_ ABSL_GUARDED_BY(mutex_);
  uint64_t latest_ ABSL_GUARDED_BY(mutex_) = 0;  // The largest number of a session so far.
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_CURRENT_SESSION_H_
