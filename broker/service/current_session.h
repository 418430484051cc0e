// The FUSE session that requests belong to.
#ifndef POSTERN_BROKER_SERVICE_CURRENT_SESSION_H_
#define POSTERN_BROKER_SERVICE_CURRENT_SESSION_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

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
  // old one stays.
  ErrnoOrVoid Change(const rpc::Request& request);

 private:
  Filesystem& filesystem_;
  mutable absl::Mutex mutex_;  // A leaf, held for the exchange of a pointer.
  std::shared_ptr<Session> session_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace postern

#endif  // POSTERN_BROKER_SERVICE_CURRENT_SESSION_H_
