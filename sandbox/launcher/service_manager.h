// The word to whoever manages posternd as a service.
#ifndef POSTERN_SANDBOX_LAUNCHER_SERVICE_MANAGER_H_
#define POSTERN_SANDBOX_LAUNCHER_SERVICE_MANAGER_H_

#include <string>
#include <utility>

#include "common/errno_or.h"
#include "common/unique_fd.h"

namespace postern {

// The protocol of sd_notify(3): datagrams of "NAME=value" lines to the socket that $NOTIFY_SOCKET
// names. Connected before posternd is sealed, since nothing can be connected afterwards. Without a
// manager nothing is sent. There are no watchdog messages: posternd sees whether its children live,
// not whether a request gets on, and a request that waits for a dead server is no fault to restart
// for.
class ServiceManager {
 public:
  // Nobody.
  ServiceManager() = default;
  // The manager that `address` names: the path of a socket, or "@" and an abstract name.
  // EAFNOSUPPORT: it is neither.
  static ErrnoOr<ServiceManager> Connect(const std::string& address);
  // The one of the environment, which loses that variable: it isn't meant for what posternd starts.
  // One that can't be reached gets a line in the log and is nobody.
  static ServiceManager FromEnvironment();

  // Waits for a manager that is behind, but not long.
  void Ready(const std::string& status) const;
  // A line for people. It is lost where the manager is behind.
  void Status(const std::string& status) const;
  // From here on posternd only ends.
  void Stopping(const std::string& status) const;

 private:
  explicit ServiceManager(UniqueFd socket) : socket_(std::move(socket)) {}
  // Makes a sendmsg(2) call only. `flags` besides MSG_NOSIGNAL.
  void Send(const std::string& lines, int flags) const;

  UniqueFd socket_;
};

}  // namespace postern

#endif  // POSTERN_SANDBOX_LAUNCHER_SERVICE_MANAGER_H_
