// postern-broker: does for the worker the filesystem operations that need a right, on the shared
// directory only. Started by posternd only. Nothing that the worker sent is read before the jail is
// closed.
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "broker/identity/credentials.h"
#include "broker/inodes/descriptor_budget.h"
#include "broker/inodes/reopen.h"
#include "broker/operations/broker_options.h"
#include "broker/operations/filesystem.h"
#include "broker/service/service.h"
#include "common/logging.h"
#include "common/status.h"
#include "common/warm_up.h"
#include "proto/config.pb.h"
#include "sandbox/jail/child.h"
#include "sandbox/jail/jail.h"

namespace postern {
namespace {

// Returns when the launcher has closed the control channel: it says nothing to the broker.
void AwaitEnd(Channel& control) {
  ErrnoOr<ReceivedMessage> received = Errno(EAGAIN);
  do {
    received = control.Receive(/*max_descriptors=*/0);
  } while (received.ok());
}

absl::Status ChooseFileHandles(config::InodeFileHandles wanted, Filesystem& filesystem) {
  const bool mandatory = wanted == config::INODE_FILE_HANDLES_MANDATORY;
  if (!mandatory && wanted != config::INODE_FILE_HANDLES_PREFER) return absl::OkStatus();
  const ErrnoOrVoid result = filesystem.UseFileHandles(mandatory ? MountTable::Policy::kError
                                                                 : MountTable::Policy::kDescriptor);
  if (result.ok()) return absl::OkStatus();
  if (mandatory) {
    return WithAdvice(
        ErrnoStatus("--inode-file-handles=mandatory: using file handles in the shared directory",
                    result.error().value()),
        "use --inode-file-handles=prefer");
  }
  LOG(WARNING) << "File handles can't be used in the shared directory (" << result.error().Message()
               << "): each file that is known holds a descriptor";
  return absl::OkStatus();
}

absl::Status Serve() {
  POSTERN_TRY_ASSIGN(BrokerStart start, ReceiveBrokerStart("postern-broker"));
  WarmUpLibraries();
  POSTERN_TRY_ASSIGN(BrokerJail jail, EnterBrokerJail(start.config));
  const size_t threads = start.config.threads();
  const size_t waiting = start.config.waiting();
  POSTERN_TRY_ASSIGN(const size_t descriptors,
                     DescriptorBudget::LimitFor(threads + WaitingRoom::ThreadsFor(waiting),
                                                start.channels.size()));
  DescriptorBudget::GrowTable(jail.root.get(), descriptors);
  ErrnoOr<ProcessCredentials> credentials = ProcessCredentials::Capture();
  if (!credentials.ok()) {
    return WithAdvice(ErrnoStatus("own credentials", credentials.error().value()),
                      "each id of the broker's own must be mapped in its user namespace");
  }
  absl::StatusOr<FilesystemOptions> options = FilesystemOptionsFrom(start.config);
  if (!options.ok()) return options.status();
  Filesystem filesystem(std::move(jail.root), ProcFd(std::move(jail.proc_self_fd)),
                        std::move(*credentials), descriptors, *std::move(options));
  POSTERN_TRY(ChooseFileHandles(start.config.inode_file_handles(), filesystem));
  BrokerServiceOptions service_options;
  service_options.threads = threads;
  service_options.waiting = waiting;
  service_options.poll_budget = std::chrono::microseconds(start.config.common().poll_us());
  // Other threads are at work, and what they hold must not be torn down under them.
  service_options.on_failure = [] { _exit(EXIT_FAILURE); };
  BrokerService service(filesystem, std::move(start.channels), std::move(service_options));
  POSTERN_TRY(service.Start());
  POSTERN_TRY(SealBroker(start.config));
  service.Serve();
  POSTERN_TRY(ReportState(start.control, config::ChildStatus::STATE_READY));
  AwaitEnd(start.control);
  // Not by way of the destructors: an operation that hangs would hold the end up.
  _exit(EXIT_SUCCESS);
}

}  // namespace
}  // namespace postern

int main() {
  const absl::Status status = postern::Serve();
  LOG(ERROR) << postern::Text(status);
  _exit(EXIT_FAILURE);
}
