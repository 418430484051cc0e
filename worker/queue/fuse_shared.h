// What all queues of a device share.
#ifndef POSTERN_WORKER_QUEUE_FUSE_SHARED_H_
#define POSTERN_WORKER_QUEUE_FUSE_SHARED_H_

#include "worker/fuse/fuse_options.h"
#include "worker/fuse/fuse_session.h"
#include "worker/fuse/open_files.h"

namespace postern {

class IoPool;

// Outlives the queues.
struct FuseShared {
  FuseOptions options;  // Constant.
  FuseSession session;
  OpenFiles open_files;
  IoPool* io_pool = nullptr;  // Constant.

  // Of the session nothing is left here: what is still under way for it opens no file any more.
  void EndSession() {
    session.End();
    open_files.Clear();
  }
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_FUSE_SHARED_H_
