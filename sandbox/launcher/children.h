// posternd's two children, and how they are started.
#ifndef POSTERN_SANDBOX_LAUNCHER_CHILDREN_H_
#define POSTERN_SANDBOX_LAUNCHER_CHILDREN_H_

#include <optional>
#include <string>

#include "common/status.h"
#include "sandbox/launcher/child_process.h"
#include "sandbox/launcher/executables.h"
#include "sandbox/launcher/launch_plan.h"
#include "sandbox/launcher/log_relay.h"

namespace postern {

// A child and its log, which is read to its end when the child is gone.
struct WatchedChild {
  LogRelay log;
  ChildProcess process;
};

struct Children {
  WatchedChild broker;
  WatchedChild worker;
};

// What it takes to start them.
struct ChildrenPlan {
  LaunchPlan launch;
  Executables executables;
  bool namespaces = false;  // Of their own.
  // The SELinux contexts that they are executed in; unset: the policy's choice.
  std::optional<std::string> broker_context;
  std::optional<std::string> worker_context;
};

// Starts both, with new channels between them, and gives each its configuration; returns before
// they are ready. `parent`: whose children they become. Precondition: one thread.
absl::StatusOr<Children> StartChildren(const ChildrenPlan& plan, ChildProcess::Parent parent);

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_CHILDREN_H_
