// What Landlock forbids, tried from inside. The tests that need a newer kernel say so.
#include "sandbox/jail/landlock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "common/unique_fd.h"
#include "sandbox/jail/hardening.h"
#include "tests/unit/sandbox/forked.h"
#include "tests/unit/sandbox/scratch.h"

namespace postern {
namespace {

// A library error in the child.
constexpr int kNotEntered = 250;

class LandlockTest : public testing::Test {
 protected:
  void SetUp() override {
    if (LandlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
    std::ofstream(scratch_.Path("file")) << "text";
  }

  // The exit status of `body` in a process in `domain`.
  template <typename Body>
  static int ExitInside(const LandlockDomain& domain, Body&& body) {
    return ExitOfForked([&] {
      if (!ForbidNewPrivileges().ok() || !RestrictByLandlock(domain).ok()) return kNotEntered;
      return std::forward<Body>(body)();
    });
  }

  Scratch scratch_;
};

int ErrnoOf(int result) { return result < 0 ? errno : 0; }

// As in a container whose profile doesn't know it.
TEST(LandlockIsRefusedTest, TellsARefusalFromAbsence) {
  EXPECT_FALSE(LandlockIsRefused());
  const auto refused_with = [](int error) {
    return ExitOfForked([error] {
      scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
      if (!ForbidNewPrivileges().ok() ||
          seccomp_rule_add(filter, SCMP_ACT_ERRNO(static_cast<uint32_t>(error)),
                           static_cast<int>(landlock::kCreateRuleset), 0) < 0 ||
          seccomp_load(filter) < 0) {
        return kNotEntered;
      }
      return LandlockIsRefused() ? 1 : 0;
    });
  };
  EXPECT_EQ(refused_with(EPERM), 1);
  EXPECT_EQ(refused_with(ENOSYS), 0);
}

TEST_F(LandlockTest, EmptyDomainOpensNothing) {
  const std::string file = scratch_.Path("file");
  const std::string fresh = scratch_.Path("fresh");
  EXPECT_EQ(ExitInside({}, [&] { return ErrnoOf(open(file.c_str(), O_RDONLY)); }), EACCES);
  EXPECT_EQ(ExitInside({}, [&] { return ErrnoOf(open(file.c_str(), O_WRONLY)); }), EACCES);
  EXPECT_EQ(ExitInside({}, [&] { return ErrnoOf(open("/", O_RDONLY | O_DIRECTORY)); }), EACCES);
  EXPECT_EQ(ExitInside({}, [&] { return ErrnoOf(open(fresh.c_str(), O_WRONLY | O_CREAT, 0600)); }),
            EACCES);
  EXPECT_EQ(ExitInside({}, [&] { return ErrnoOf(mkdir(fresh.c_str(), 0700)); }), EACCES);
  EXPECT_EQ(ExitInside({}, [&] { return ErrnoOf(unlink(file.c_str())); }), EACCES);
  EXPECT_EQ(ExitInside({},
                       [&] {
                         char name[] = "true";
                         char* const arguments[] = {name, nullptr};
                         return ErrnoOf(execv("/bin/true", arguments));
                       }),
            EACCES);
}

TEST_F(LandlockTest, OpenDescriptorsStayUsable) {
  const UniqueFd file(open(scratch_.Path("file").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(ExitInside({},
                       [&] {
                         char text[5] = {};
                         if (pread(file.get(), text, 4, 0) != 4) return 1;
                         if (pwrite(file.get(), "more", 4, 4) != 4) return 2;
                         if (fallocate(file.get(), 0, 0, 100) != 0) return 3;
                         if (ftruncate(file.get(), 2) != 0) return 4;
                         return fsync(file.get()) == 0 ? 0 : 5;
                       }),
            0);
}

TEST_F(LandlockTest, RuleAllowsItsRightsBelowItsDirectoryOnly) {
  const UniqueFd directory(open(scratch_.Path("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const LandlockDomain domain{.files = true, .rules = {{directory.get(), landlock::kRemoveFile}}};
  const std::string file = scratch_.Path("file");
  EXPECT_EQ(ExitInside(domain, [&] { return ErrnoOf(open(file.c_str(), O_RDONLY)); }), EACCES);
  EXPECT_EQ(ExitInside(domain, [] { return ErrnoOf(unlink("/etc/hostname-of-nobody")); }), ENOENT);
  EXPECT_EQ(ExitInside(domain, [&] { return ErrnoOf(unlink(file.c_str())); }), 0);
}

TEST_F(LandlockTest, DomainWithoutFilesLeavesThemAlone) {
  const LandlockDomain domain{.files = false};
  ASSERT_EQ(mkdir(scratch_.Path("other").c_str(), 0700), 0);
  const std::string from = scratch_.Path("file");
  const std::string to = scratch_.Path("other/file");
  // Between directories: what a domain that handles any right of files forbids without a rule.
  EXPECT_EQ(ExitInside(domain, [&] { return ErrnoOf(rename(from.c_str(), to.c_str())); }), 0);
  const UniqueFd directory(open(scratch_.Path("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const LandlockDomain with_files{.files = true,
                                  .rules = {{directory.get(), landlock::kFilesAbi1}}};
  EXPECT_EQ(ExitInside(with_files, [&] { return ErrnoOf(rename(to.c_str(), from.c_str())); }),
            EXDEV);
}

TEST_F(LandlockTest, TcpIsForbidden) {
  if (LandlockAbi() < 4) GTEST_SKIP() << "needs Linux 6.7";
  for (const bool files : {true, false}) {
    EXPECT_EQ(
        ExitInside({.files = files},
                   [] {
                     const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                     sockaddr_in address{};
                     address.sin_family = AF_INET;
                     address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                     address.sin_port = htons(9);
                     // Safe because every sockaddr begins with the family.
                     return ErrnoOf(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                            sizeof(address)));
                   }),
        EACCES);
  }
}

TEST_F(LandlockTest, OthersCanBeSignalledOnlyIfAsked) {
  if (LandlockAbi() < 6) GTEST_SKIP() << "needs Linux 6.12";
  const pid_t parent = getpid();
  const auto signal_parent = [parent] { return ErrnoOf(kill(parent, 0)); };
  const auto signal_itself = [] { return ErrnoOf(kill(getpid(), 0)); };
  EXPECT_EQ(ExitInside({.files = false}, signal_parent), EPERM);
  EXPECT_EQ(ExitInside({.files = false, .signals = true}, signal_parent), 0);
  EXPECT_EQ(ExitInside({.files = false}, signal_itself), 0);
}

TEST_F(LandlockTest, AbstractSocketsOfOthersAreOutOfReach) {
  if (LandlockAbi() < 6) GTEST_SKIP() << "needs Linux 6.12";
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "postern-landlock-test-" + std::to_string(getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  // Safe because every sockaddr begins with the family.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  ASSERT_EQ(bind(listener.get(), generic, size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  EXPECT_EQ(ExitInside({},
                       [&] {
                         const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
                         return ErrnoOf(connect(fd.get(), generic, size));
                       }),
            EPERM);
}

}  // namespace
}  // namespace postern
