// A daemon that somebody else starts: with words, a user, limits and descriptors of theirs.
#ifndef POSTERN_TESTS_INTEGRATION_CALLERS_CALLERS_FIXTURE_H_
#define POSTERN_TESTS_INTEGRATION_CALLERS_CALLERS_FIXTURE_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "tests/integration/share/share_fixture.h"

namespace postern {

using Words = std::vector<std::string>;

// Of KubeVirt's and QEMU's containers.
inline constexpr uid_t kContainerUser = 107;

class CallersFixture : public ShareFixture {
 protected:
  void SetUp() override;
  void TearDown() override;

  // A copy of the three programs and of `surroundings` where any user can execute them.
  std::string Program(const std::string& name) const { return temp_.Path("programs/" + name); }
  std::string Posternd() const { return Program("sandbox/posternd"); }
  std::string socket_path() const { return temp_.Path("run/s"); }
  // The share and the socket's directory belong to `user`, who alone may write there.
  void GiveFilesTo(uid_t user) const;
  // Makes a listening socket at socket_path() that what is started next inherits, and nobody else:
  // LISTENER is its number.
  void Listen();

  // Starts `command`, which ends up as posternd. In its words these stand for what is known only
  // now: SHARE, SOCKET, RUN (the socket's directory), POSTERND, SURROUNDINGS, LISTENER.
  void StartCommand(const Words& command);
  // Runs it to its end: its status, and what it has said.
  int RunCommand(const Words& command, std::string& output);

  // Connects, and works on files and directories as a guest's root; all that is made belongs to
  // `owner` on the host. The share may hold other things.
  void WorkOnFiles(uid_t owner);
  // Lets the front end go.
  void Disconnect() { front_end_->Disconnect(); }
  // The process of posternd, wherever it is below what was started.
  pid_t PosterndProcess() const;
  // No process, socket or pid file is left.
  void ExpectNothingLeft(bool makes_files);
  // The lines of the log with this severity.
  Words LogLines(const std::string& severity) const;

 private:
  Words Replaced(const Words& words) const;

  UniqueFd listener_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_INTEGRATION_CALLERS_CALLERS_FIXTURE_H_
