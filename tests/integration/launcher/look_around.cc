#include "tests/integration/launcher/look_around.h"

#include <fcntl.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "common/unique_fd.h"
#include "sandbox/jail/capabilities.h"
#include "sandbox/jail/landlock.h"

namespace postern {
namespace {

// What uid 0 means to execve(2), for good.
bool HasLockedSecurebits() {
  const int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  constexpr int kWanted = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                          SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                          SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  return bits == kWanted;
}

// `privileged`: started with the capability to lock things.
std::string LookAround(CapabilitySet most, bool privileged) {
  const auto capabilities = CurrentCapabilities();
  if (!capabilities.ok()) return "capabilities can't be read";
  if (!(capabilities->permitted - most).empty()) return "a capability too many";
  if (!capabilities->inheritable.empty() || !capabilities->ambient.empty()) {
    return "capabilities to hand down";
  }
  if (privileged && !capabilities->bounding.empty()) return "a bounding set";
  if (privileged && !HasLockedSecurebits()) return "securebits that can be changed";
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return "new privileges";
  if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) return "dumpable";
  int signal = 0;
  if (prctl(PR_GET_PDEATHSIG, &signal) != 0 || signal != SIGKILL) return "outlives its parent";
  if (LandlockAbi() >= 4) {
    const UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    // Safe because every sockaddr begins with the family.
    if (bind(tcp.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
        errno != EACCES) {
      return "binds a TCP socket";
    }
  }
  if (LandlockAbi() >= 6) {
    // Signal 0 to whatever there is outside: in a pid namespace of its own there is nothing.
    if (getppid() != 0 && (kill(getppid(), 0) == 0 || errno != EPERM)) return "signals its parent";
  }
  return "";
}

}  // namespace

bool HasSetpcap() {
  const auto capabilities = CurrentCapabilities();
  return capabilities.ok() && capabilities->effective.Contains(CAP_SETPCAP);
}

std::string LookAroundTheWorkersJail(bool privileged) {
  if (std::string wrong = LookAround({}, privileged); !wrong.empty()) return wrong;
  if (privileged && getgroups(0, nullptr) != 0) return "supplementary groups";
  if (LandlockAbi() >= 1 && open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0) {
    return "opens its root";
  }
  if (open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0) return "opens /proc";
  if (open("/tmp/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0) return "makes a file";
  return "";
}

std::string LookAroundTheBrokersJail(bool privileged) {
  return LookAround(kReadingCapabilities | kWritingCapabilities |
                        CapabilitySet{CAP_SETFCAP, CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN},
                    privileged);
}

}  // namespace postern
