// What a service manager hears of posternd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/integration/launcher/launcher_fixture.h"

namespace postern {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kPatienceMilliseconds = 20'000;

class ServiceTest : public LauncherTest {
 protected:
  ServiceTest() : manager_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, Path("notify").c_str(), sizeof(name.sun_path) - 1);
    const int on = 1;
    EXPECT_EQ(setsockopt(manager_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    // Safe because every sockaddr begins with the family.
    EXPECT_EQ(bind(manager_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  }

  void StartService(const Words& options = {}) {
    Words all = {"--shared-dir", share(), "--socket-path", socket_path()};
    all.insert(all.end(), options.begin(), options.end());
    StartRaw(all, {"/usr/bin/env", "NOTIFY_SOCKET=" + Path("notify")});
  }

  // Waits for the next message, and checks who has sent it: the manager takes none from others.
  std::string Heard() {
    pollfd readable{manager_.get(), POLLIN, 0};
    if (poll(&readable, 1, kPatienceMilliseconds) != 1) return "nothing";
    char text[256];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    iovec data{text, sizeof(text)};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t size = recvmsg(manager_.get(), &message, MSG_CMSG_CLOEXEC);
    if (size < 0) return std::strerror(errno);
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(sender));
    EXPECT_EQ(sender.pid, daemon().pid());
    return std::string(text, static_cast<size_t>(size));
  }

 private:
  const UniqueFd manager_;
};

TEST_F(ServiceTest, IsReadyWhenBothChildrenAreAndTellsItsStates) {
  StartService();
  EXPECT_EQ(Heard(), "READY=1\nSTATUS=Waiting for a front end to connect");
  EXPECT_THAT(daemon().Output(), HasSubstr(kReadyLine));
  UniqueFd front_end = Connect();
  EXPECT_EQ(Heard(), "STATUS=Serving a front end");
  front_end.Reset();
  EXPECT_EQ(Heard(), "STOPPING=1\nSTATUS=Ending: the front end has disconnected");
  EXPECT_EQ(daemon().WaitForExit(), 0);
}

TEST_F(ServiceTest, SaysWhichSignalEndsIt) {
  StartService();
  EXPECT_THAT(Heard(), testing::StartsWith("READY=1\n"));
  daemon().Signal(SIGINT);
  EXPECT_EQ(Heard(), "STOPPING=1\nSTATUS=Ending on SIGINT");
  EXPECT_EQ(daemon().WaitForExit(), 128 + SIGINT);
}

TEST_F(ServiceTest, IsNeverReadyWhenAChildFailsAtTheStart) {
  CreateFile(share() + "/fail-at-start");
  StartService();
  EXPECT_EQ(Heard(), "STOPPING=1\nSTATUS=Ending after an error, which the log tells");
  EXPECT_EQ(daemon().WaitForExit(), 1);
}

TEST_F(ServiceTest, ChildrenDoNotKnowOfTheManager) {
  StartService();
  EXPECT_THAT(Heard(), testing::StartsWith("READY=1\n"));
  for (const char* name : {"postern-broker", "postern-worker"}) {
    std::ifstream file("/proc/" + std::to_string(ProcessNamed(name)) + "/environ");
    const std::string environment(std::istreambuf_iterator<char>(file), {});
    EXPECT_THAT(environment, HasSubstr("GLIBC_TUNABLES")) << name;
    EXPECT_THAT(environment, Not(HasSubstr("NOTIFY_SOCKET"))) << name;
  }
}

}  // namespace
}  // namespace postern
