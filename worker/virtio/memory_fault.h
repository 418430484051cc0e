// What happens when guest memory goes away under the worker.
#ifndef POSTERN_WORKER_VIRTIO_MEMORY_FAULT_H_
#define POSTERN_WORKER_VIRTIO_MEMORY_FAULT_H_

namespace postern {

// From here on an access to mapped memory that has nothing behind it (SIGBUS) ends the process with
// EXIT_FAILURE and one line on stderr that says what happened, instead of a bare signal. It comes
// of a front end that cuts its memory file short after it was mapped, and of a host that runs out
// of the pages of such a file; never of what a guest writes. Before the jail is sealed: the seccomp
// filter doesn't let a handler be installed. Precondition: the only thread.
void EndOnMemoryFault();

}  // namespace postern

#endif  // POSTERN_WORKER_VIRTIO_MEMORY_FAULT_H_
