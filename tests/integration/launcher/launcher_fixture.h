// posternd in a directory of its own, with stand-ins for its children.
#ifndef POSTERN_TESTS_INTEGRATION_LAUNCHER_LAUNCHER_FIXTURE_H_
#define POSTERN_TESTS_INTEGRATION_LAUNCHER_LAUNCHER_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "tests/vmm/daemon_process.h"
#include "tests/vmm/temp_directory.h"

namespace postern {

using Words = std::vector<std::string>;

inline constexpr char kReadyLine[] = "Waiting for vhost-user socket connection...";
// Nobody's ids, on any system.
inline constexpr uid_t kPlainUid = 41234;
inline constexpr gid_t kPlainGid = 41235;

// Leaves no process behind, and checks that posternd hasn't either.
class LauncherTest : public testing::Test {
 protected:
  LauncherTest();

  std::string Path(const std::string& name) const { return directory_.Path(name); }
  std::string share() const { return Path("share"); }
  std::string socket_path() const { return Path("run/s"); }
  std::string pid_path() const { return Path("run/s.pid"); }
  void CreateFile(const std::string& path, const std::string& text = "") const;

  // Starts posternd on share() and socket_path() with `options` after those.
  void Start(const Words& options = {});
  // The same as a user without rights. Skips the test where that user can't get at posternd.
  void StartAsPlainUser(const Words& options);
  // Starts posternd with these options only, after `prefix` (a command that runs another).
  void StartRaw(const Words& options, const Words& prefix = {},
                const std::string& daemon_path = POSTERND_PATH);
  // posternd where a plain user may execute it.
  std::string DaemonForPlainUser() const;

  vmm::DaemonProcess& daemon() { return *daemon_; }
  // Waits until the daemon has logged `text`, or has ended; whether it has logged it.
  bool HasLogged(const std::string& text);
  // Starts and waits for the ready line.
  void StartAndWait(const Words& options = {});
  // One that the daemon has taken and handed to the worker.
  UniqueFd Connect();
  // The process of that name below posternd; fails the test if there isn't exactly one.
  pid_t ProcessNamed(const std::string& name);
  // Sends a signal to that process.
  void SignalProcess(const std::string& name, int signal);
  // Fails the test if a process, the socket or the pid file still exists after a while.
  void ExpectNothingLeft();
  // The lines of the daemon's output with this severity ("error", "warning").
  Words LogLines(const std::string& severity);

 private:
  const vmm::TempDirectory directory_;
  std::unique_ptr<vmm::DaemonProcess> daemon_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_INTEGRATION_LAUNCHER_LAUNCHER_FIXTURE_H_
