// postern-worker: speaks vhost-user and FUSE with the guest, asks the broker for everything that
// needs a right. Started by posternd only. Nothing that a guest wrote is read before the jail is
// closed.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <utility>

#include "common/logging.h"
#include "common/warm_up.h"
#include "proto/config.pb.h"
#include "sandbox/jail/child.h"
#include "sandbox/jail/jail.h"
#include "worker/queue/fuse_device.h"
#include "worker/vhost_user/vhost_user_session.h"
#include "worker/virtio/memory_fault.h"

namespace postern {
namespace {

// The connected vhost-user socket, which the launcher sends when a front end has come. An error:
// the launcher has gone.
ErrnoOr<UniqueFd> AwaitFrontEnd(Channel& control) {
  config::ServeRequest request;
  POSTERN_ASSIGN_OR_RETURN(std::vector<UniqueFd> descriptors, control.ReceiveMessage(request, 1));
  if (descriptors.size() != 1 || !request.serve()) return Errno(EBADMSG);
  return std::move(descriptors.front());
}

absl::Status Serve() {
  POSTERN_TRY_ASSIGN(WorkerStart start, ReceiveWorkerStart("postern-worker"));
  // A pipe that the front end closed must not end the process (User-Mode Linux's call descriptors
  // are pipes).
  std::signal(SIGPIPE, SIG_IGN);
  EndOnMemoryFault();
  WarmUpLibraries();
  POSTERN_TRY(EnterWorkerJail(start.config));
  auto created = FuseDevice::Create(std::move(start.channels), MakeFuseOptions(start.config));
  if (!created.ok()) return ErrnoStatus("can't set up the queues", created.error().value());
  // Lives as long as the process: its threads end with it, and not one by one, for which the filter
  // would have to let them.
  FuseDevice& device = *std::move(*created).release();
  POSTERN_TRY(SealWorker(start.config, device.memory_limit()));
  POSTERN_TRY(ReportState(start.control, config::ChildStatus::STATE_READY));

  ErrnoOr<UniqueFd> socket = AwaitFrontEnd(start.control);
  if (!socket.ok()) return ErrnoStatus("waiting for the front end", socket.error().value());
  // The control channel becomes readable when the launcher goes.
  VhostUserSession session(std::move(*socket), device,
                           {.tag = start.config.tag(), .stop_fd = start.control.fd()});
  // A broken connection has been logged; like virtiofsd we count it as the end of the front end.
  (void)session.Run();
  return ReportState(start.control, config::ChildStatus::STATE_FRONT_END_GONE);
}

}  // namespace
}  // namespace postern

int main() {
  if (const absl::Status status = postern::Serve(); !status.ok()) {
    LOG(ERROR) << postern::Text(status);
    _exit(EXIT_FAILURE);
  }
  // Threads still run, and the jail allows little: no destructors of statics, no at-exit work.
  _exit(EXIT_SUCCESS);
}
