#include "tests/integration/callers/callers_fixture.h"

#include <absl/strings/str_replace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <sstream>

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

void CopyProgram(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::create_directories(to.parent_path());
  std::filesystem::copy_file(from, to);
}

}  // namespace

void CallersFixture::SetUp() {
  if (geteuid() != 0) GTEST_SKIP() << "only root can play several callers";
  if (!IsPostern()) GTEST_SKIP() << "not with a peer: the programs' places are ours";
  ShareFixture::SetUp();
  const auto build = std::filesystem::path(DaemonCommand().at(0)).parent_path().parent_path();
  for (const char* program :
       {"sandbox/posternd", "broker/postern-broker", "worker/postern-worker"}) {
    CopyProgram(build / program, Program(program));
  }
  CopyProgram(SURROUNDINGS_PATH, Program("surroundings"));
  std::filesystem::create_directory(temp_.Path("run"));
}

void CallersFixture::TearDown() {
  if (!daemon_) return;  // Skipped, or never started.
  for (const auto& queue : fuse_queues_) EXPECT_EQ(queue->violation(), "");
  if (HasFailure()) std::fprintf(stderr, "%s", daemon_->Output().c_str());
  clients_.clear();
  fuse_queues_.clear();
  front_end_.reset();
  daemon_.reset();
  ShareFixture::TearDown();
}

void CallersFixture::GiveFilesTo(uid_t user) const {
  for (const std::string& path : {share_, temp_.Path("run")}) {
    ASSERT_EQ(chown(path.c_str(), user, user), 0);
    ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  }
}

void CallersFixture::Listen() {
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path();
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.data(), path.size());
  // Safe because every sockaddr begins with the family.
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  listener_.Reset(fcntl(listener.get(), F_DUPFD, 10));  // Where no shell's redirection meets it.
  ASSERT_TRUE(listener_.valid());
}

Words CallersFixture::Replaced(const Words& words) const {
  Words replaced;
  for (const std::string& word : words) {
    replaced.push_back(absl::StrReplaceAll(word, {{"SHARE", share_},
                                                  {"SOCKET", socket_path()},
                                                  {"POSTERND", Posternd()},
                                                  {"SURROUNDINGS", Program("surroundings")},
                                                  {"LISTENER", std::to_string(listener_.get())},
                                                  {"RUN", temp_.Path("run")}}));
  }
  return replaced;
}

void CallersFixture::StartCommand(const Words& command) {
  vmm::DaemonProcess::Options process;
  process.command = Replaced(command);
  process.socket_path = socket_path();
  process.stderr_path = temp_.Path("stderr");
  auto started = vmm::DaemonProcess::Start(process);
  ASSERT_TRUE(started.ok()) << started.status();
  daemon_ = std::move(started).value();
  listener_.Reset();
}

int CallersFixture::RunCommand(const Words& command, std::string& output) {
  vmm::DaemonProcess::Options process{Replaced(command), socket_path(), temp_.Path("said")};
  auto started = vmm::DaemonProcess::Start(process);
  EXPECT_TRUE(started.ok()) << started.status();
  if (!started.ok()) return -1;
  const int status = (*started)->WaitForExit().value_or(-1);
  output = (*started)->Output();
  std::filesystem::remove(process.stderr_path);
  return status;
}

void CallersFixture::WorkOnFiles(uid_t owner) {
  ASSERT_NO_FATAL_FAILURE(StartFrontEnd({}));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out directory, fuse().Mkdir(kRoot, "directory"));
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile created,
                       fuse().Create(NodeOf(directory), "file", O_RDWR));
  const std::string data = Pattern(100'000, 3);
  EXPECT_OK(fuse().WriteString(NodeOf(created.entry), HandleOf(created.opened), 0, data));
  EXPECT_TRUE(ReadHost("directory/file") == data);
  EXPECT_EQ(StatHost("directory/file").st_uid, owner);
  EXPECT_OK(fuse().Release(NodeOf(created.entry), HandleOf(created.opened)));
  EXPECT_OK(fuse().Rename(NodeOf(directory), "file", kRoot, "moved"));
  EXPECT_OK(fuse().Link(NodeOf(created.entry), NodeOf(directory), "linked"));
  EXPECT_OK(fuse().Symlink(kRoot, "symlink", "/etc/passwd"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(created.entry), O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const std::string back,
                       fuse().ReadString(NodeOf(created.entry), HandleOf(opened), 0, data.size()));
  EXPECT_TRUE(back == data);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out listing, fuse().Opendir(kRoot));
  ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdirplus(kRoot, HandleOf(listing), 0));
  EXPECT_EQ(entries.size(), 5u);  // Three, "." and "..".
  EXPECT_OK(fuse().Unlink(kRoot, "moved"));
  EXPECT_FALSE(HostExists("moved"));
}

pid_t CallersFixture::PosterndProcess() const {
  const pid_t pid = daemon_->ProcessNamed("posternd");
  EXPECT_NE(pid, 0) << "not exactly one posternd";
  return pid;
}

void CallersFixture::ExpectNothingLeft(bool makes_files) {
  EXPECT_THAT(daemon_->Leftovers(), testing::IsEmpty());
  if (!makes_files) return;
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
  EXPECT_FALSE(std::filesystem::exists(socket_path() + ".pid"));
}

Words CallersFixture::LogLines(const std::string& severity) const {
  Words lines;
  std::istringstream output(daemon_->Output());
  for (std::string line; std::getline(output, line);) {
    if (line.find(": " + severity + ": ") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

}  // namespace postern
