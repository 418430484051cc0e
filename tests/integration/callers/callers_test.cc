// Whoever starts virtiofsd, played: each one's words, user, limits and descriptors, how it finds
// out that the daemon is ready, and how it ends it. What they say is their own; nothing of it is
// changed for postern.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/integration/callers/callers_fixture.h"

namespace postern {
namespace {

using testing::HasSubstr;

constexpr uid_t kPlainUser = 54321;
constexpr uid_t kForeignIds = 700'000;  // The first of a container's on the host.

enum class Ready {
  kNothing,  // It made the socket itself, and connects.
  kSocket,   // The socket's file is there.
};
enum class End {
  kDisconnect,  // Of itself, as its front end goes.
  kKill,        // SIGKILL while it serves.
  kTerminate,   // SIGTERM while it serves.
};

struct Caller {
  const char* name;
  bool listens = false;  // Makes the socket itself.
  uid_t files = 0;       // Whose the share is.
  uid_t owner = 0;       // Whom what the guest's root makes belongs to.
  Words command = {};
  Ready ready = Ready::kNothing;
  End end = End::kDisconnect;
};

// The listening socket as descriptor 3, which is also that of the children's control channel.
Words AsDescriptor3(const Words& words) {
  Words command = {"/bin/bash", "-c", "exec \"$@\" 3<&LISTENER LISTENER<&-", "bash"};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}
Words AsUser(uid_t user, const Words& words) {
  const std::string id = std::to_string(user);
  Words command = {"/usr/bin/setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups"};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

// The most that this process itself may give.
std::string DescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return std::to_string(std::min<rlim_t>(limit.rlim_max, 1048576));
}

const Caller kCallers[] = {
    {.name = "KataInGo",
     .listens = true,
     .command = AsDescriptor3({"POSTERND", "--syslog", "--cache=auto", "--shared-dir=SHARE",
                               "--fd=3", "--thread-pool-size=1", "--announce-submounts"}),
     .end = End::kKill},
    {.name = "Incus",
     .listens = true,
     .command = AsDescriptor3(
         {"POSTERND", "--fd=3", "--cache=never", "--shared-dir=SHARE", "--posix-acl=auto"}),
     .end = End::kKill},
    // Its containers' ids, some of which nobody has.
    {.name = "IncusWithMaps",
     .listens = true,
     .owner = 1'000'000,
     .command = AsDescriptor3(
         {"POSTERND", "--fd=3", "--cache=auto", "--shared-dir=SHARE",
          "--translate-uid=map:0:1000000:65536", "--translate-uid=forbid-guest:65536:4294901759",
          "--translate-uid=forbid-guest:4294967295:0", "--translate-gid=map:0:1000000:65536",
          "--translate-gid=forbid-guest:65536:4294901759"}),
     .end = End::kKill},
    // Its container: the first process there, a plain user without any right or way to one, and
    // with few open files.
    {.name = "KubeVirt",
     .files = kContainerUser,
     .owner = kContainerUser,
     .command = {"/usr/bin/prlimit", "--nofile=1024:1024", "SURROUNDINGS", "--init",
                 "/usr/bin/setpriv", "--reuid=107", "--regid=107", "--clear-groups",
                 "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "POSTERND",
                 "--socket-path=SOCKET", "--shared-dir=SHARE", "--sandbox=none", "--cache=auto",
                 "--migration-on-error=guest-error", "--migration-mode=find-paths",
                 "--translate-uid=host:107:0:1"},
     .ready = Ready::kSocket,
     .end = End::kTerminate},
    // Forks twice, so that its daemon is nobody's child, with nothing for input and output.
    {.name = "Proxmox",
     .listens = true,
     .command = {"/bin/bash", "-c", "\"$@\" <&- >&- & exit 0", "bash", "POSTERND", "--fd=LISTENER",
                 "--shared-dir=SHARE", "--xattr", "--posix-acl", "--announce-submounts",
                 "--allow-direct-io", "--cache=always", "--inode-file-handles=prefer", "--syslog"}},
    {.name = "CloudHypervisor",
     .command = {"POSTERND", "--shared-dir=SHARE", "--socket-path=SOCKET", "--cache=never",
                 "--thread-pool-size=4"},
     .ready = Ready::kSocket},
    // As its documentation has it for plain users: `setcap cap_sys_admin+epi`.
    {.name = "CloudHypervisorsUserWithSysAdmin",
     .files = kPlainUser,
     .owner = kPlainUser,
     .command = {"/usr/bin/setpriv", "--reuid=54321", "--regid=54321", "--clear-groups",
                 "--inh-caps=+sys_admin", "--ambient-caps=+sys_admin", "POSTERND",
                 "--shared-dir=SHARE", "--socket-path=SOCKET", "--cache=never"},
     .ready = Ready::kSocket},
    {.name = "MicrovmNix",
     .command = {"POSTERND", "--socket-path=SOCKET", "--socket-group=daemon", "--shared-dir=SHARE",
                 "--rlimit-nofile", DescriptorLimit(), "--thread-pool-size", "2", "--posix-acl",
                 "--xattr", "--inode-file-handles=prefer", "--tag=ro-store"},
     .ready = Ready::kSocket},
    {.name = "Vmspawn",
     .listens = true,
     .command = {"POSTERND", "--shared-dir", "SHARE", "--xattr", "--fd", "LISTENER",
                 "--no-announce-submounts", "--log-level=error", "--modcaps=-mknod"},
     .end = End::kTerminate},
    {.name = "VmspawnWithMaps",
     .listens = true,
     .owner = 600'000,
     .command = {"POSTERND", "--shared-dir", "SHARE", "--xattr", "--fd", "LISTENER",
                 "--no-announce-submounts", "--log-level=error", "--modcaps=-mknod",
                 "--translate-uid", "map:0:600000:65536", "--translate-gid", "map:0:600000:65536"},
     .end = End::kTerminate},
    // As root of a user namespace of the machine's ids.
    {.name = "VmspawnInAForeignUserNamespace",
     .listens = true,
     .files = kForeignIds,
     .owner = kForeignIds,
     .command = {"SURROUNDINGS", "--ids=700000:65536", "POSTERND", "--shared-dir", "SHARE",
                 "--xattr", "--fd", "LISTENER", "--no-announce-submounts", "--log-level=error",
                 "--modcaps=-mknod"},
     .end = End::kTerminate},
    // As root of a user namespace that has no other id.
    {.name = "Mkosi",
     .listens = true,
     .files = kPlainUser,
     .owner = kPlainUser,
     .command = AsUser(
         kPlainUser, {"SURROUNDINGS", "--ids=54321:1", "POSTERND", "--shared-dir", "SHARE",
                      "--xattr", "--fd", "LISTENER", "--no-announce-submounts", "--log-level=error",
                      "--modcaps=-mknod", "--sandbox=chroot", "--inode-file-handles=prefer"}),
     .end = End::kTerminate},
};

class CallersTest : public CallersFixture, public testing::WithParamInterface<Caller> {};

INSTANTIATE_TEST_SUITE_P(, CallersTest, testing::ValuesIn(kCallers),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_P(CallersTest, StartsWorksAndEnds) {
  const Caller& caller = GetParam();
  GiveFilesTo(caller.files);
  // Translated ids are nobody's who could write there otherwise.
  ASSERT_EQ(chmod(share_.c_str(), 0777), 0);
  if (caller.listens) {
    ASSERT_NO_FATAL_FAILURE(Listen());
  }
  ASSERT_NO_FATAL_FAILURE(StartCommand(caller.command));
  if (caller.ready == Ready::kSocket) {
    // Before a connection is tried: these callers try once.
    ASSERT_TRUE(daemon().HasSaid("Waiting for vhost-user socket connection")) << daemon().Output();
    ASSERT_TRUE(std::filesystem::is_socket(socket_path()));
  }
  ASSERT_NO_FATAL_FAILURE(WorkOnFiles(caller.owner));
  switch (caller.end) {
    case End::kDisconnect:
      Disconnect();
      EXPECT_EQ(daemon().WaitForExit(), 0);
      break;
    case End::kKill:
      ASSERT_GT(PosterndProcess(), 0);
      kill(PosterndProcess(), SIGKILL);
      EXPECT_EQ(daemon().WaitForExit(), 128 + SIGKILL);
      break;
    case End::kTerminate:
      ASSERT_GT(PosterndProcess(), 0);
      kill(PosterndProcess(), SIGTERM);
      EXPECT_EQ(daemon().WaitForExit(), 1);
      break;
  }
  ExpectNothingLeft(/*makes_files=*/!caller.listens);
  EXPECT_THAT(LogLines("error"), testing::IsEmpty());
}

// Those that look at more than a socket.
class CallerTest : public CallersFixture {
 protected:
  // Kata's shim in Rust: takes the daemon's stderr, waits without end for one line of it, and takes
  // its end for the daemon's.
  void PlayKata(const Words& command) {
    ASSERT_NO_FATAL_FAILURE(StartOnPipe(command));
    std::string said;
    while (said.find("Waiting for vhost-user socket connection") == std::string::npos) {
      const std::string more = ReadPipe();
      ASSERT_NE(more, "") << "it ended: " << said;
      said += more;
    }
    ASSERT_NO_FATAL_FAILURE(WorkOnFiles(StatHost("").st_uid));
    daemon().Signal(SIGKILL);
    EXPECT_EQ(daemon().WaitForExit(), 128 + SIGKILL);
    while (!ReadPipe().empty()) {
    }
    ExpectNothingLeft(/*makes_files=*/true);
  }

 private:
  void StartOnPipe(const Words& command) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    pipe_.Reset(ends[0]);
    const UniqueFd writer(fcntl(ends[1], F_DUPFD, 10));
    close(ends[1]);
    const std::string number = std::to_string(writer.get());
    Words words = {"/bin/bash", "-c", "exec \"$@\" 2>&" + number + " " + number + ">&-", "bash"};
    words.insert(words.end(), command.begin(), command.end());
    StartCommand(words);
  }
  // Empty: nobody has the other end any more.
  std::string ReadPipe() const {
    char bytes[512];
    const ssize_t size = read(pipe_.get(), bytes, sizeof(bytes));
    return size > 0 ? std::string(bytes, static_cast<size_t>(size)) : "";
  }
  void TearDown() override {
    pipe_.Reset();
    CallersFixture::TearDown();
  }

  UniqueFd pipe_;
};

TEST_F(CallerTest, KataInRustReadsTheLineThatSaysItIsReady) {
  PlayKata({"POSTERND", "--socket-path", "SOCKET", "--shared-dir", "SHARE", "--cache", "auto",
            "--thread-pool-size=1", "-o", "announce_submounts", "--xattr"});
}

TEST_F(CallerTest, KataInRustWithoutRootNamesTheSocketFromItsDirectory) {
  GiveFilesTo(kPlainUser);
  PlayKata(AsUser(kPlainUser, {"/usr/bin/env", "--chdir=RUN", "POSTERND", "--socket-path", "s",
                               "--shared-dir", "SHARE", "--cache", "never", "--thread-pool-size=1",
                               "-o", "announce_submounts"}));
}

// Incus chooses its words by these.
TEST_F(CallerTest, CapabilitiesNameWhatIncusAndLibvirtLookFor) {
  std::string said;
  EXPECT_EQ(RunCommand({"POSTERND", "--print-capabilities"}, said), 0);
  EXPECT_THAT(said, HasSubstr("\"type\": \"fs\""));
  EXPECT_THAT(said, HasSubstr("\"separate-options\""));
  EXPECT_THAT(said, HasSubstr("\"posix-acl-negotiation-mode\""));
}

TEST_F(CallerTest, VirtmeNgAsksAndFindsThePidFile) {
  GiveFilesTo(kPlainUser);
  std::string said;
  EXPECT_EQ(RunCommand(AsUser(kPlainUser, {"POSTERND", "--version"}), said), 0);
  EXPECT_EQ(RunCommand(AsUser(kPlainUser, {"POSTERND", "--help"}), said), 0);
  EXPECT_THAT(said, HasSubstr("--readonly"));

  StartCommand(AsUser(kPlainUser, {"POSTERND", "--syslog", "--no-announce-submounts", "--posix-acl",
                                   "--readonly", "--socket-path", "SOCKET", "--shared-dir", "/",
                                   "--sandbox", "none", "--cache", "always"}));
  // It waits no longer than that.
  pid_t pid = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(3100);
  while (pid == 0 && std::chrono::steady_clock::now() < end) {
    std::ifstream(socket_path() + ".pid") >> pid;
  }
  EXPECT_EQ(pid, daemon().pid());

  ASSERT_NO_FATAL_FAILURE(StartFrontEnd({}));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out etc, fuse().Lookup(kRoot, "etc"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out file, fuse().Lookup(vmm::NodeOf(etc), "passwd"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(vmm::NodeOf(file), O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       fuse().ReadString(vmm::NodeOf(file), vmm::HandleOf(opened), 0, 1000));
  EXPECT_THAT(text, HasSubstr("root:"));
  EXPECT_ERRNO(fuse().Mkdir(kRoot, "directory"), EROFS);
  kill(pid, SIGTERM);
  EXPECT_EQ(daemon().WaitForExit(), 1);
  ExpectNothingLeft(/*makes_files=*/true);
}

}  // namespace
}  // namespace postern
