#include "tests/integration/launcher/launcher_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace postern {
namespace {

constexpr std::chrono::seconds kPatience{20};
constexpr char kSetpriv[] = "/usr/bin/setpriv";

bool PlainUserMayRun(const char* program) {
  const pid_t pid = fork();
  if (pid == 0) {
    const bool may = setgid(kPlainGid) == 0 && setuid(kPlainUid) == 0 && access(program, X_OK) == 0;
    _exit(may ? 0 : 1);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  return status == 0;
}

}  // namespace

LauncherTest::LauncherTest() {
  std::filesystem::create_directory(share());
  std::filesystem::create_directory(Path("run"));
}

void LauncherTest::CreateFile(const std::string& path, const std::string& text) const {
  std::ofstream(path) << text;
}

std::string LauncherTest::DaemonForPlainUser() const {
  if (PlainUserMayRun(POSTERND_PATH)) return POSTERND_PATH;
  // The build directory may lie below a home that is closed to others. The three programs are laid
  // out as in a build tree, one folder each.
  const auto tree = std::filesystem::path(POSTERND_PATH).parent_path().parent_path();
  const std::string copy = Path("programs");
  std::filesystem::copy(tree, copy, std::filesystem::copy_options::recursive);
  return copy + "/sandbox/posternd";
}

void LauncherTest::StartRaw(const Words& options, const Words& prefix,
                            const std::string& daemon_path) {
  vmm::DaemonProcess::Options settings;
  settings.command = prefix;
  settings.command.push_back(daemon_path);
  settings.command.insert(settings.command.end(), options.begin(), options.end());
  settings.socket_path = socket_path();
  settings.stderr_path = Path("log");
  std::filesystem::remove(settings.stderr_path);
  auto daemon = vmm::DaemonProcess::Start(settings);
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  daemon_ = std::move(*daemon);
}

void LauncherTest::Start(const Words& options) {
  Words all = {"--shared-dir", share(), "--socket-path", socket_path()};
  all.insert(all.end(), options.begin(), options.end());
  StartRaw(all);
}

void LauncherTest::StartAsPlainUser(const Words& options) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  if (!PlainUserMayRun(kSetpriv)) GTEST_SKIP() << "no setpriv here";
  for (const std::string& path : {share(), Path("run")}) {
    ASSERT_EQ(chown(path.c_str(), kPlainUid, kPlainGid), 0);
  }
  Words all = {"--shared-dir", share(), "--socket-path", socket_path()};
  all.insert(all.end(), options.begin(), options.end());
  StartRaw(all,
           {kSetpriv, "--reuid=" + std::to_string(kPlainUid),
            "--regid=" + std::to_string(kPlainGid), "--clear-groups"},
           DaemonForPlainUser());
}

bool LauncherTest::HasLogged(const std::string& text) { return daemon().HasSaid(text); }

void LauncherTest::StartAndWait(const Words& options) {
  Start(options);
  ASSERT_TRUE(HasLogged(kReadyLine)) << daemon().Output();
}

UniqueFd LauncherTest::Connect() {
  auto connection = daemon().Connect();
  EXPECT_TRUE(connection.ok()) << connection.status();
  EXPECT_TRUE(HasLogged("Client connected, servicing requests")) << daemon().Output();
  return connection.ok() ? std::move(*connection) : UniqueFd();
}

pid_t LauncherTest::ProcessNamed(const std::string& name) {
  const pid_t pid = daemon().ProcessNamed(name);
  EXPECT_NE(pid, 0) << "not exactly one " << name;
  return pid;
}

void LauncherTest::SignalProcess(const std::string& name, int signal) {
  const pid_t pid = ProcessNamed(name);
  if (pid > 0) kill(pid, signal);  // 0 would be our own process group.
}

void LauncherTest::ExpectNothingLeft() {
  EXPECT_TRUE(daemon().Leftovers(kPatience).empty());
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
  EXPECT_FALSE(std::filesystem::exists(pid_path()));
}

Words LauncherTest::LogLines(const std::string& severity) {
  // The share, which no test gives a colon, ends with one. It isn't known from the beginning.
  const std::regex form("\\S+ \\S+ [a-z-]+\\[[0-9]+\\](?: [^:]+)?: " + severity + ": .*");
  Words lines;
  std::istringstream output(daemon().Output());
  for (std::string line; std::getline(output, line);) {
    if (std::regex_match(line, form)) lines.push_back(line);
  }
  return lines;
}

}  // namespace postern
