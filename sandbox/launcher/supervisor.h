// posternd's loop from the start of its children to the end.
#ifndef POSTERN_SANDBOX_LAUNCHER_SUPERVISOR_H_
#define POSTERN_SANDBOX_LAUNCHER_SUPERVISOR_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "proto/config.pb.h"
#include "sandbox/launcher/children.h"
#include "sandbox/launcher/endpoint.h"
#include "sandbox/launcher/service_manager.h"
#include "sandbox/launcher/spawner.h"

namespace postern {

// How posternd is to end.
struct Outcome {
  int status = 1;
  int signal = 0;  // Not 0: by this signal's default action.

  bool IsSuccess() const { return status == 0 && signal == 0; }
};

// Waits until both children are ready, then for the front end, then for whatever ends the service.
// Trusts neither child: takes from them one fixed message each for a moment when it is due, lines
// for the log, and their death. The end of the connection it sees by itself: neither a worker that
// is stuck in a dead filesystem nor one that was taken over outlives its virtual machine.
class Supervisor {
 public:
  // `signals` is a signalfd of SIGTERM, SIGHUP and SIGINT. `spawner`, if not null, makes new
  // children when the front end has disconnected, for the next one: nothing of one virtual machine
  // reaches another. `manager` is told of each state. Precondition: both children have their
  // configuration.
  Supervisor(Children children, Endpoint& endpoint, UniqueFd signals, Spawner* spawner,
             ServiceManager manager);

  // Returns when both children are gone, and there are to be no others.
  Outcome Run();

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { kStarting, kWaiting, kServing };
  struct Child : WatchedChild {
    bool ready = false;
    bool control_open = true;
  };

  // From the start of the children to what ends their service.
  Outcome Serve();
  void Watch(Children children);
  void EndChildren();

  // Each returns the outcome if there is one.
  std::optional<Outcome> WaitAndHandle();
  std::optional<Outcome> HandleSignal();
  std::optional<Outcome> HandleMessage(Child& child);
  std::optional<Outcome> HandleState(Child& child, config::ChildStatus::State state);
  std::optional<Outcome> HandleDeath(Child& child);
  std::optional<Outcome> HandleConnection();
  void HandleHangUp();
  Outcome HandleTimeout();
  Outcome FrontEndGone();
  // To the service manager: the first reason counts.
  void SayEnding(const std::string& why);

  bool IsWorker(const Child& child) const { return &child == &children_[1]; }
  void AdoptCgroups();

  std::vector<Child> children_;  // Broker, worker.
  Endpoint& endpoint_;
  const UniqueFd signals_;
  Spawner* const spawner_;
  const ServiceManager manager_;
  bool said_ending_ = false;
  State state_ = State::kStarting;
  // While serving, until the front end hangs up. Never read from: no byte of the front end's comes
  // to the launcher.
  UniqueFd connection_;
  // By when the next thing must happen: readiness, the death of a child that has closed its control
  // channel, or the worker's word that what was under way when the front end hung up is done.
  std::optional<Clock::time_point> deadline_;
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_SUPERVISOR_H_
