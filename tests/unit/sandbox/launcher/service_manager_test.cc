#include "sandbox/launcher/service_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "common/unique_fd.h"
#include "tests/unit/common/caught_stderr.h"
#include "tests/unit/sandbox/scratch.h"

namespace postern {
namespace {

using testing::HasSubstr;

// The service manager's socket.
UniqueFd Bound(const std::string& address) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.data(), address.size());
  const bool abstract = address.front() == '@';
  if (abstract) name.sun_path[0] = '\0';
  const size_t size = offsetof(sockaddr_un, sun_path) + address.size() + (abstract ? 0 : 1);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), static_cast<socklen_t>(size)),
            0)
      << address << ": " << std::strerror(errno);
  return fd;
}

// Sends until there is no room.
void Fill(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  ASSERT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  while (send(fd.get(), "filler", 6, 0) == 6) {
  }
  EXPECT_EQ(errno, EAGAIN);
}

// Empty: there is none.
std::string NextMessage(const UniqueFd& fd) {
  char text[256];
  const ssize_t size = recv(fd.get(), text, sizeof(text), 0);
  return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
}

TEST(ServiceManagerTest, HearsOfEachStateByPathAndByAbstractName) {
  const Scratch scratch;
  const std::string abstract = "@postern-test/" + std::to_string(getpid());
  for (const std::string& address : {scratch.Path("notify"), abstract}) {
    const UniqueFd socket = Bound(address);
    const auto manager = ServiceManager::Connect(address);
    ASSERT_TRUE(manager.ok()) << address << ": " << manager.error().Message();
    manager->Ready("waiting");
    manager->Status("serving");
    manager->Stopping("ending");
    EXPECT_EQ(NextMessage(socket), "READY=1\nSTATUS=waiting");
    EXPECT_EQ(NextMessage(socket), "STATUS=serving");
    EXPECT_EQ(NextMessage(socket), "STOPPING=1\nSTATUS=ending");
    EXPECT_EQ(NextMessage(socket), "");
  }
}

TEST(ServiceManagerTest, TakesALongestAddressAndNoLonger) {
  const std::string longest = "@" + std::string(sizeof(sockaddr_un::sun_path) - 1, 'n');
  const UniqueFd socket = Bound(longest);
  EXPECT_TRUE(ServiceManager::Connect(longest).ok());
  EXPECT_EQ(ServiceManager::Connect(longest + "n").error(), Errno(ENAMETOOLONG));
  const std::string path = "/" + std::string(sizeof(sockaddr_un::sun_path) - 2, 'n');
  EXPECT_EQ(ServiceManager::Connect(path).error(), Errno(ENOENT));
  EXPECT_EQ(ServiceManager::Connect(path + "n").error(), Errno(ENAMETOOLONG));
}

TEST(ServiceManagerTest, OtherAddressesAreRefused) {
  for (const char* address : {"", "notify", "vsock:2:1234"}) {
    EXPECT_EQ(ServiceManager::Connect(address).error(), Errno(EAFNOSUPPORT)) << address;
  }
}

TEST(ServiceManagerTest, TheVariableIsGoneOnceItWasRead) {
  const Scratch scratch;
  const UniqueFd socket = Bound(scratch.Path("notify"));
  setenv("NOTIFY_SOCKET", scratch.Path("notify").c_str(), /*overwrite=*/1);
  const ServiceManager manager = ServiceManager::FromEnvironment();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  manager.Ready("waiting");
  EXPECT_EQ(NextMessage(socket), "READY=1\nSTATUS=waiting");
}

TEST(ServiceManagerTest, WithoutTheVariableThereIsNobodyToTell) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_EQ(CaughtStderr([] { ServiceManager::FromEnvironment().Ready("waiting"); }), "");
}

// Started by hand, with a variable of a service that has long gone.
TEST(ServiceManagerTest, OneThatIsNotThereIsAWarning) {
  setenv("NOTIFY_SOCKET", "/nowhere/notify", /*overwrite=*/1);
  EXPECT_THAT(CaughtStderr([] { ServiceManager::FromEnvironment().Ready("waiting"); }),
              HasSubstr("NOTIFY_SOCKET=/nowhere/notify: No such file or directory"));
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
}

TEST(ServiceManagerTest, OneThatDoesNotReadHoldsNobodyUp) {
  const Scratch scratch;
  const UniqueFd socket = Bound(scratch.Path("notify"));
  const auto manager = ServiceManager::Connect(scratch.Path("notify"));
  ASSERT_TRUE(manager.ok());
  Fill(scratch.Path("notify"));
  for (const auto say : {&ServiceManager::Ready, &ServiceManager::Status}) {
    EXPECT_THAT(CaughtStderr([&] { ((*manager).*say)("status"); }),
                HasSubstr("Can't tell the service manager"));
  }
  EXPECT_EQ(NextMessage(socket), "filler");
}

}  // namespace
}  // namespace postern
