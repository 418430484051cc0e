// A process of a plain user on the host, to compare with.
#ifndef POSTERN_TESTS_UNIT_BROKER_LOCAL_PROCESS_H_
#define POSTERN_TESTS_UNIT_BROKER_LOCAL_PROCESS_H_

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <vector>

#include "tests/unit/broker/requests.h"

namespace postern {

// Runs `action` in a process with these ids and, unless it is root's, no capability; its umask is
// 0. The action returns as a system call does; the result is 0 or the errno.
inline int RunLocally(const requests::As& as, const std::function<int()>& action) {
  const pid_t child = fork();
  if (child == 0) {
    const std::vector<gid_t> groups(as.groups.begin(), as.groups.end());
    if (setgroups(groups.size(), groups.data()) < 0 || setresgid(as.gid, as.gid, as.gid) < 0 ||
        setresuid(as.uid, as.uid, as.uid) < 0) {
      _exit(255);
    }
    umask(0);
    _exit(action() < 0 ? errno : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 255) << "status " << status;
  return WEXITSTATUS(status);
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_LOCAL_PROCESS_H_
