// What a request's decoder leaves for the time when its answer comes.
#ifndef POSTERN_WORKER_FUSE_REQUEST_NOTES_H_
#define POSTERN_WORKER_FUSE_REQUEST_NOTES_H_

#include "worker/fuse/open_files.h"

namespace postern {

// Belongs to one request.
struct RequestNotes {
  // From when it was taken from the ring: for what opens a file.
  OpenTicket ticket;
  // GETXATTR, LISTXATTR: the guest asks how many bytes there are, not for them.
  bool size_only = false;
  // SETATTR that may set set-user-ID or set-group-ID bits: until it is answered.
  SetIdChange set_id_change;
  // The broker may take long over it: nothing that comes later shares its message.
  bool may_stall = false;
};

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_REQUEST_NOTES_H_
