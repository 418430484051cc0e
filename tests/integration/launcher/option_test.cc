// What options do to real processes. Their values are the unit tests' matter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/integration/launcher/launcher_fixture.h"
#include "tests/vmm/process_info.h"

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using vmm::StatusField;

std::string FileText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string ProcText(pid_t pid, const std::string& name) {
  return FileText("/proc/" + std::to_string(pid) + "/" + name);
}

// The numbers in the only line of an id map, or in its lines one after the other.
std::vector<std::string> MapNumbers(pid_t pid, const std::string& name) {
  std::istringstream text(ProcText(pid, name));
  std::vector<std::string> numbers;
  for (std::string number; text >> number;) numbers.push_back(number);
  return numbers;
}

class OptionTest : public LauncherTest {
 protected:
  // That the daemon ends with status 1 and one error line that contains `text`.
  void ExpectStartError(const std::string& text) {
    EXPECT_EQ(daemon().WaitForExit(), 1);
    EXPECT_THAT(daemon().Output(), HasSubstr(text));
    EXPECT_THAT(LogLines("error"), SizeIs(1)) << daemon().Output();
    ExpectNothingLeft();
  }
  std::string DescriptorLimit(const char* process) {
    std::istringstream text(ProcText(ProcessNamed(process), "limits"));
    for (std::string line; std::getline(text, line);) {
      std::istringstream words(line);
      std::string max, open, files, soft, hard;
      words >> max >> open >> files >> soft >> hard;
      if (open == "open") return soft + " " + hard;
    }
    return "";
  }
};

TEST_F(OptionTest, DeprecatedOptionsWorkAndAreWarnedAbout) {
  StartRaw({"--socket", socket_path(), "-f", "-d", "-o", "source=" + share(), "-o", "cache=none",
            "--inode-file-handles=fallback"});
  ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
  Words warnings;
  for (const std::string& line : LogLines("warning")) {
    if (line.find("deprecated") != std::string::npos) warnings.push_back(line);
  }
  EXPECT_THAT(warnings,
              ElementsAre(HasSubstr("flag '-f'"), HasSubstr("flag '-d'"), HasSubstr("format '-o'"),
                          HasSubstr("value 'fallback'"), HasSubstr("option '--socket'")));
  EXPECT_THAT(daemon().Output(), HasSubstr("postern-broker is ready"));  // -d
}

TEST_F(OptionTest, MissingSourceIsAnErrorOfTheStart) {
  StartRaw({"--socket-path", socket_path(), "-o", "xattr"});
  ExpectStartError("missing '--shared-dir' or '-o source' option");
}

TEST_F(OptionTest, BadCompatItemIsAUsageError) {
  Start({"-o", "flock"});
  EXPECT_EQ(daemon().WaitForExit(), 2);
  EXPECT_THAT(daemon().Output(), HasSubstr("Invalid compat argument '-o flock'"));
}

TEST_F(OptionTest, RustLogWinsOverTheLogLevel) {
  StartRaw({"--shared-dir", share(), "--socket-path", socket_path(), "--log-level=error"},
           {"/usr/bin/env", "RUST_LOG=debug,hyper=trace"});
  ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
  EXPECT_THAT(daemon().Output(), HasSubstr("RUST_LOG: 'hyper=trace' is no log level"));
  EXPECT_THAT(daemon().Output(), HasSubstr("postern-worker is ready"));
}

TEST_F(OptionTest, MigrationOptionsThatExcludeEachOther) {
  Start({"--migration-mode=file-handles", "--migration-confirm-paths"});
  ExpectStartError("--migration-confirm-paths can't be used with --migration-mode=file-handles");
}

TEST_F(OptionTest, OverlappingTranslationIsAnErrorOfTheStart) {
  Start({"--translate-uid=map:0:1:5", "--translate-uid=guest:4:1:1"});
  ExpectStartError("'guest:4:1:1' overlaps 'map:0:1:5'");
}

TEST_F(OptionTest, RlimitNofileHoldsForAllProcesses) {
  StartAndWait({"--rlimit-nofile=5000"});
  EXPECT_EQ(DescriptorLimit("postern-broker"), "5000 5000");
  EXPECT_EQ(DescriptorLimit("postern-worker"), "5000 5000");
}

TEST_F(OptionTest, RlimitNofileOf0LeavesTheLimit) {
  StartRaw({"--shared-dir", share(), "--socket-path", socket_path(), "--rlimit-nofile=0"},
           {"/bin/sh", "-c", "ulimit -Sn 3000; ulimit -Hn 4000; exec \"$@\"", "sh"});
  ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
  EXPECT_EQ(DescriptorLimit("postern-broker"), "3000 4000");
}

TEST_F(OptionTest, RlimitNofileBeyondTheKernelsIsAnError) {
  Start({"--rlimit-nofile=1000000000000"});
  ExpectStartError("Error increasing number of open files: It cannot be increased above");
}

TEST_F(OptionTest, RlimitNofileThatMayNotBeSetIsAnError) {
  StartRaw({"--shared-dir", share(), "--socket-path", socket_path(), "--rlimit-nofile=5000"},
           {"/bin/sh", "-c", "ulimit -n 4000; exec \"$@\"", "sh", "/usr/bin/setpriv",
            "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"});
  ExpectStartError("Error increasing number of open files: Operation not permitted");
}

class RootOptionTest : public OptionTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

TEST_F(RootOptionTest, ModcapsChangeTheBrokersCapabilitiesOnly) {
  StartAndWait({"--modcaps=+sys_admin:-mknod:-dac_read_search", "--inode-file-handles=never"});
  const pid_t broker = ProcessNamed("postern-broker");
  // Bits 0, 1, 3, 4, 6, 7, without 27; and 21.
  for (const char* set : {"CapPrm", "CapEff"}) {
    EXPECT_EQ(StatusField(broker, set), "00000000002000db") << set;
  }
  EXPECT_EQ(StatusField(ProcessNamed("postern-worker"), "CapPrm"), "0000000000000000");
}

TEST_F(RootOptionTest, FileHandlesAddTheirCapability) {
  StartAndWait({"--inode-file-handles=never"});
  EXPECT_EQ(StatusField(ProcessNamed("postern-broker"), "CapPrm"), "00000000080000db");
}

TEST_F(RootOptionTest, XattrsAddTheirCapability) {
  StartAndWait({"--xattr"});
  EXPECT_EQ(StatusField(ProcessNamed("postern-broker"), "CapPrm"), "00000000880000df");
}

TEST_F(RootOptionTest, ReadonlyTakesWhatWritingNeeds) {
  StartAndWait({"--readonly", "--xattr", "--inode-file-handles=never"});
  EXPECT_EQ(StatusField(ProcessNamed("postern-broker"), "CapPrm"), "0000000000000002");
}

TEST_F(RootOptionTest, ReadonlyWithNoatimeKeepsItsCapability) {
  StartAndWait({"--readonly", "--preserve-noatime", "--inode-file-handles=never"});
  EXPECT_EQ(StatusField(ProcessNamed("postern-broker"), "CapPrm"), "000000000000000a");
}

TEST_F(RootOptionTest, BadModcapsAreErrorsOfTheStart) {
  Start({"--modcaps=+foo"});
  ExpectStartError("invalid capability 'foo'");
}

TEST_F(RootOptionTest, CapabilityThatPosterndHasNotGotIsAnErrorOfTheStart) {
  StartRaw({"--shared-dir", share(), "--socket-path", socket_path(), "--modcaps=+sys_time"},
           {"/usr/bin/setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time"});
  ExpectStartError("--modcaps: posternd itself hasn't got sys_time");
}

TEST_F(RootOptionTest, CapabilityOfFileHandlesMustStay) {
  Start({"--modcaps=-dac_read_search"});
  ExpectStartError("file handles need dac_read_search");
}

TEST_F(RootOptionTest, MapsAreNotForRoot) {
  Start({"--uid-map=:0:1000:1:"});
  ExpectStartError("can only be used by a plain user with --sandbox=namespace");
}

TEST_F(RootOptionTest, WorkerRunsAsTheGivenUser) {
  StartAndWait({"--worker-user=daemon"});  // Id 1 in Debian and Fedora alike.
  EXPECT_THAT(StatusField(ProcessNamed("postern-worker"), "Uid"), HasSubstr("1\t1\t1\t1"));
  EXPECT_THAT(StatusField(ProcessNamed("postern-broker"), "Uid"), HasSubstr("0\t0\t0\t0"));
}

TEST_F(RootOptionTest, WorkerUserMustExist) {
  Start({"--worker-user=no-such-user"});
  ExpectStartError("--worker-user: there is no user 'no-such-user'");
}

// The stand-in broker tries to make a file.
TEST_F(RootOptionTest, ReadonlyIsTheKernelsMatterInTheNamespaceSandbox) {
  StartAndWait({"--readonly"});
  EXPECT_TRUE(HasLogged("making a file: Read-only file system")) << daemon().Output();
  EXPECT_TRUE(std::filesystem::is_empty(share()));
  // Elsewhere the directory is as before.
  CreateFile(share() + "/from-the-host");
  EXPECT_TRUE(std::filesystem::exists(share() + "/from-the-host"));
}

class PlainUserOptionTest : public OptionTest {};

TEST_F(PlainUserOptionTest, RootOfTheUserNamespaceIsTheCaller) {
  StartAsPlainUser({"--uid-map=:0:" + std::to_string(kPlainUid) + ":1:",
                    "--gid-map=:0:" + std::to_string(kPlainGid) + ":1:",
                    "--inode-file-handles=never", "--modcaps=-mknod"});
  if (IsSkipped()) return;
  ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
  const std::string uid = std::to_string(kPlainUid);
  const std::string gid = std::to_string(kPlainGid);
  for (const char* process : {"postern-broker", "postern-worker"}) {
    const pid_t pid = ProcessNamed(process);
    EXPECT_THAT(MapNumbers(pid, "uid_map"), ElementsAre("0", uid, "1"));
    EXPECT_THAT(MapNumbers(pid, "gid_map"), ElementsAre("0", gid, "1"));
    EXPECT_THAT(StatusField(pid, "Uid"), HasSubstr(uid + "\t" + uid));
  }
  // It is root there: --modcaps counts.
  EXPECT_EQ(StatusField(ProcessNamed("postern-broker"), "CapEff"), "00000000000000db");
  EXPECT_EQ(StatusField(ProcessNamed("postern-worker"), "CapPrm"), "0000000000000000");
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  ExpectNothingLeft();
}

TEST_F(PlainUserOptionTest, ModcapsAreIgnoredOutsideOfRoot) {
  StartAsPlainUser({"--modcaps=nonsense"});
  if (IsSkipped()) return;
  EXPECT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
}

TEST_F(PlainUserOptionTest, ServesOneFrontEndAfterAnotherInUserNamespaces) {
  StartAsPlainUser({"--uid-map=:0:" + std::to_string(kPlainUid) + ":1:",
                    "--gid-map=:0:" + std::to_string(kPlainGid) + ":1:",
                    "--inode-file-handles=never", "--keep-listening"});
  if (IsSkipped()) return;
  ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
  const pid_t worker = ProcessNamed("postern-worker");
  Connect().Reset();
  ASSERT_TRUE(HasLogged("making ready for the next one")) << daemon().Output();
  const UniqueFd next = Connect();
  const auto lines = [this] {
    const std::string output = daemon().Output();
    size_t count = 0;
    for (size_t at = 0; (at = output.find(kReadyLine, at)) != std::string::npos; ++at) ++count;
    return count;
  };
  while (lines() < 2 && !daemon().WaitForExit(std::chrono::milliseconds(10))) {
  }
  EXPECT_NE(ProcessNamed("postern-worker"), worker);
  EXPECT_THAT(LogLines("error"), IsEmpty());
}

TEST_F(PlainUserOptionTest, MapOfAForeignIdIsRefused) {
  StartAsPlainUser({"--uid-map=:0:0:1:"});
  if (IsSkipped()) return;
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_THAT(daemon().Output(), HasSubstr("newuidmap refuses the id map"));
  ExpectNothingLeft();
}

TEST_F(PlainUserOptionTest, WorkerUserIsForRoot) {
  StartAsPlainUser({"--worker-user=daemon"});
  if (IsSkipped()) return;
  ExpectStartError("--worker-user can only be used by root");
}

// A mount namespace in which files of the host are others.
class OtherHostTest : public OptionTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root for a mount namespace";
  }
  // A command that runs another where `script` has mounted what it wants.
  static Words Inside(const std::string& script) {
    return {"/usr/bin/unshare", "--mount", "/bin/sh", "-ec", script + "\nexec \"$@\"", "sh"};
  }
};

TEST_F(OtherHostTest, SubordinateIdsAreMappedByTheHelpers) {
  for (const std::string& path : {share(), Path("run")}) {
    ASSERT_EQ(chown(path.c_str(), kPlainUid, kPlainGid), 0);
  }
  const std::string uid = std::to_string(kPlainUid);
  const std::string gid = std::to_string(kPlainGid);
  CreateFile(Path("passwd"), "root:x:0:0::/:/bin/sh\nplain:x:" + uid + ":" + gid +
                                 "::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n");
  CreateFile(Path("subid"), "plain:300000:65536\n");
  Words prefix =
      Inside("mount --bind " + Path("passwd") + " /etc/passwd\nmount --bind " + Path("subid") +
             " /etc/subuid\nmount --bind " + Path("subid") + " /etc/subgid");
  for (const std::string& word : {std::string("/usr/bin/setpriv"), "--reuid=" + uid,
                                  "--regid=" + gid, std::string("--clear-groups")}) {
    prefix.push_back(word);
  }
  StartRaw(
      {"--shared-dir", share(), "--socket-path", socket_path(), "--uid-map=:0:" + uid + ":1:",
       "--uid-map=:1:300000:65535:", "--gid-map=:0:" + gid + ":1:", "--gid-map=:1:300000:65535:"},
      prefix, DaemonForPlainUser());
  ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
  const pid_t broker = ProcessNamed("postern-broker");
  const pid_t worker = ProcessNamed("postern-worker");
  EXPECT_THAT(MapNumbers(broker, "uid_map"), ElementsAre("0", uid, "1", "1", "300000", "65535"));
  EXPECT_THAT(MapNumbers(broker, "gid_map"), ElementsAre("0", gid, "1", "1", "300000", "65535"));
  EXPECT_THAT(StatusField(broker, "Uid"), HasSubstr(uid));
  // Inside it is nobody, 65534.
  EXPECT_THAT(StatusField(worker, "Uid"), HasSubstr("365533\t365533\t365533\t365533"));
  EXPECT_THAT(StatusField(worker, "Gid"), HasSubstr("365533\t365533\t365533\t365533"));
  Connect().Reset();
  EXPECT_EQ(daemon().WaitForExit(), 0);
  ExpectNothingLeft();
}

// `descriptor`: as /proc/PID/fd links to it.
bool IsDatagramSocket(const std::string& descriptor) {
  std::istringstream sockets(FileText("/proc/self/net/unix"));
  for (std::string line; std::getline(sockets, line);) {
    std::istringstream words(line);
    std::string address, references, protocol, flags, type, state, inode;
    words >> address >> references >> protocol >> flags >> type >> state >> inode;
    if (descriptor == "socket:[" + inode + "]") return type == "0002";
  }
  return false;
}

class SyslogOptionTest : public OtherHostTest {
 protected:
  // A /dev with this /dev/log, or none.
  Words WithDeviceFiles(bool log) const {
    std::string script = "mkdir " + Path("dev") + "\n";
    for (const char* device : {"null", "zero", "urandom"}) {
      const std::string file = Path("dev/") + device;
      script += "touch " + file + "\nmount --bind /dev/" + device + " " + file + "\n";
    }
    if (log) script += "ln -s " + Path("log-socket") + " " + Path("dev/log") + "\n";
    return Inside(script + "mount --rbind " + Path("dev") + " /dev");
  }
  void Listen() {
    listener_.Reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, Path("log-socket").c_str());
    // Safe because every sockaddr begins with the family.
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    const timeval patience{20, 0};
    setsockopt(listener_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  // Reads datagrams until one contains `text`; empty if none comes.
  std::string LineWith(const std::string& text) {
    char data[4096];
    for (;;) {
      const ssize_t size = recv(listener_.get(), data, sizeof(data), 0);
      if (size < 0) return "";
      const std::string line(data, static_cast<size_t>(size));
      if (line.find(text) != std::string::npos) return line;
    }
  }
  void StartWithSyslog(bool log) {
    StartRaw({"--shared-dir", share(), "--socket-path", socket_path(), "--syslog"},
             WithDeviceFiles(log));
  }

  UniqueFd listener_;
};

TEST_F(SyslogOptionTest, AllProcessesLogThereAndNotToStderr) {
  Listen();
  StartWithSyslog(true);
  const std::string worker = LineWith("channels: ");  // The stand-in says it in its sealed jail.
  EXPECT_THAT(worker, HasSubstr(" postern-worker["));
  EXPECT_THAT(worker, testing::StartsWith("<14>"));
  const pid_t pid = ProcessNamed("postern-worker");
  EXPECT_THAT(worker, HasSubstr("[" + std::to_string(pid) + "]: " + share() + ": channels: "));
  EXPECT_THAT(LineWith(kReadyLine), HasSubstr(" posternd["));
  EXPECT_EQ(daemon().Output(), "");
}

// With it a process that was taken over could write there whatever it likes.
TEST_F(SyslogOptionTest, NoChildHoldsTheSyslogDaemonsSocket) {
  Listen();
  StartWithSyslog(true);
  ASSERT_NE(LineWith(kReadyLine), "");
  const auto own = vmm::OpenDescriptors(daemon().pid());
  EXPECT_EQ(std::ranges::count_if(*own, IsDatagramSocket), 1);
  for (const char* name : {"postern-broker", "postern-worker", "postern-sweeper"}) {
    const auto descriptors = vmm::OpenDescriptors(ProcessNamed(name));
    ASSERT_TRUE(descriptors.ok());
    for (const std::string& descriptor : *descriptors) {
      EXPECT_FALSE(IsDatagramSocket(descriptor)) << name << " " << descriptor;
    }
  }
}

TEST_F(SyslogOptionTest, LinesGoToStderrWhenTheDaemonHasGone) {
  Listen();
  StartWithSyslog(true);
  EXPECT_NE(LineWith(kReadyLine), "");
  listener_.Reset();
  Connect().Reset();  // Waits for the line on stderr.
  EXPECT_EQ(daemon().WaitForExit(), 0);
  EXPECT_THAT(daemon().Output(), HasSubstr("Client disconnected, shutting down"));
}

TEST_F(SyslogOptionTest, StderrItIsWithoutASyslogDaemon) {
  StartWithSyslog(false);
  EXPECT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
  EXPECT_THAT(daemon().Output(), HasSubstr("can't enable syslog"));
}

}  // namespace
}  // namespace postern
