// What a request's decoder leaves for the time when its answer comes.
#ifndef POSTERN_WORKER_REQUEST_NOTES_H_
#define POSTERN_WORKER_REQUEST_NOTES_H_

namespace postern {

// Belongs to one request.
struct RequestNotes {
  // GETXATTR, LISTXATTR: the guest asks how many bytes there are, not for them.
  bool size_only = false;
};

}  // namespace postern

#endif  // POSTERN_WORKER_REQUEST_NOTES_H_
