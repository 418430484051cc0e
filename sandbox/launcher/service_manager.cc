#include "sandbox/launcher/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "common/logging.h"

namespace postern {
namespace {

constexpr char kVariable[] = "NOTIFY_SOCKET";
// For the one message that a start depends on.
constexpr timeval kPatience{2, 0};

}  // namespace

ErrnoOr<ServiceManager> ServiceManager::Connect(const std::string& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const bool abstract = address.starts_with('@');
  if (!abstract && !address.starts_with('/')) return Errno(EAFNOSUPPORT);
  // A path ends with a NUL, an abstract name begins with one and has its length.
  if (address.size() + (abstract ? 0 : 1) > sizeof(name.sun_path)) return Errno(ENAMETOOLONG);
  std::memcpy(name.sun_path, address.data(), address.size());
  if (abstract) name.sun_path[0] = '\0';
  const size_t size = offsetof(sockaddr_un, sun_path) + address.size() + (abstract ? 0 : 1);

  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return Errno::Last();
  if (setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience)) < 0) {
    return Errno::Last();
  }
  // Safe because every sockaddr begins with the family.
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), static_cast<socklen_t>(size)) <
      0) {
    return Errno::Last();
  }
  return ServiceManager(std::move(fd));
}

ServiceManager ServiceManager::FromEnvironment() {
  const char* const variable = std::getenv(kVariable);
  if (variable == nullptr) return {};
  const std::string address = variable;
  unsetenv(kVariable);
  ErrnoOr<ServiceManager> manager = Connect(address);
  if (manager.ok()) return *std::move(manager);
  LOG(WARNING) << "Can't reach the service manager at " << kVariable << "=" << EscapeForLog(address)
               << ": " << manager.error().Message();
  return {};
}

void ServiceManager::Ready(const std::string& status) const {
  Send("READY=1\nSTATUS=" + status, 0);
}

void ServiceManager::Status(const std::string& status) const {
  Send("STATUS=" + status, MSG_DONTWAIT);
}

void ServiceManager::Stopping(const std::string& status) const {
  Send("STOPPING=1\nSTATUS=" + status, MSG_DONTWAIT);
}

void ServiceManager::Send(const std::string& lines, int flags) const {
  if (!socket_) return;
  iovec data{const_cast<char*>(lines.data()), lines.size()};  // sendmsg doesn't write to it.
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  ssize_t sent;
  do {
    sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | flags);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) PLOG(WARNING) << "Can't tell the service manager";
}

}  // namespace postern
