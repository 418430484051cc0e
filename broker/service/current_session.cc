#include "broker/service/current_session.h"

#include "common/mutex_lock.h"

namespace postern {

std::shared_ptr<Session> CurrentSession::Get() const {
  const MutexLock lock(mutex_);
  return session_;
}

ErrnoOrVoid CurrentSession::Change(const rpc::Request& request) {
  std::shared_ptr<Session> next;
  if (request.operation_case() == rpc::Request::kInitialize) {
    SessionOptions options;
    options.number = request.session();
    options.supplementary_groups = request.initialize().supplementary_groups();
    options.posix_acl = request.initialize().posix_acl();
    POSTERN_ASSIGN_OR_RETURN(next, filesystem_.StartSession(options));
  }
  // The old session, or `next`, ends outside of the lock, or with the last operation in it on
  // another thread.
  const MutexLock lock(mutex_);
  if (next != nullptr) {
    if (request.session() < latest_) return Errno(EIO);
    latest_ = request.session();
  } else if (request.session() != 0 && request.session() < latest_) {
    return {};
  }
  session_.swap(next);
  return {};
}

}  // namespace postern
