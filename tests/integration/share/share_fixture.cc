#include "tests/integration/share/share_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#ifndef POSTERND_PATH
#define POSTERND_PATH ""
#endif

namespace postern {

ShareFixture::ShareFixture() : share_(temp_.Path("share")) {}

ShareFixture::~ShareFixture() = default;

std::vector<std::string> ShareFixture::DaemonCommand() {
  const char* given = std::getenv("POSTERN_TEST_DAEMON");
  std::istringstream words(given != nullptr ? given : POSTERND_PATH);
  return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

bool ShareFixture::IsPostern() {
  const std::vector<std::string> command = DaemonCommand();
  return !command.empty() && command[0].ends_with("posternd");
}

void ShareFixture::SetUp() {
  descriptors_before_ = vmm::OpenDescriptors(getpid())->size();
  ASSERT_EQ(mkdir(share_.c_str(), 0755), 0);
  ASSERT_EQ(chmod(share_.c_str(), 0777), 0);
}

void ShareFixture::StartDaemon(const std::vector<std::string>& options,
                               const std::vector<std::string>& command) {
  vmm::DaemonProcess::Options process;
  process.command = command;
  ASSERT_FALSE(process.command.empty())
      << "no posternd was built, and POSTERN_TEST_DAEMON isn't set";
  process.socket_path = temp_.Path("socket");
  process.stderr_path = temp_.Path("stderr");
  process.command.insert(process.command.end(), {"--socket-path", process.socket_path});
  process.command.insert(process.command.end(), {"--shared-dir", share_});
  process.command.insert(process.command.end(), options.begin(), options.end());
  auto started = vmm::DaemonProcess::Start(process);
  ASSERT_TRUE(started.ok()) << started.status();
  daemon_ = std::move(started).value();
}

void ShareFixture::StartFrontEnd(const Setup& setup) {
  auto socket = daemon_->Connect();
  ASSERT_TRUE(socket.ok()) << socket.status();
  auto connected = vmm::FrontEnd::Connect(std::move(socket).value(), setup.front_end);
  ASSERT_TRUE(connected.ok()) << connected.status() << "\n" << daemon_->Output();
  front_end_ = std::move(connected).value();
  ASSERT_GE(front_end_->queue_count(), 2u);
  const absl::Status started = front_end_->Start();
  ASSERT_TRUE(started.ok()) << started << "\n" << daemon_->Output();
  for (size_t i = 0; i < front_end_->queue_count(); ++i) {
    vmm::FuseQueue::Options options = setup.fuse;
    options.hangup_fd = front_end_->client().fd();
    options.index = static_cast<uint16_t>(i);
    ASSERT_OK_AND_ASSIGN(
        auto queue, vmm::FuseQueue::Create(front_end_->memory(), front_end_->queue(i), options));
    ASSERT_OK_AND_ASSIGN(auto client, vmm::FuseClient::Create(*queue));
    fuse_queues_.push_back(std::move(queue));
    clients_.push_back(std::move(client));
  }
  if (setup.init) ASSERT_OK(fuse().Init(setup.init_options));
}

void ShareFixture::Start(const Setup& setup) {
  ASSERT_NO_FATAL_FAILURE(StartDaemon(
      setup.daemon_options, setup.daemon_command.empty() ? DaemonCommand() : setup.daemon_command));
  ASSERT_NO_FATAL_FAILURE(StartFrontEnd(setup));
}

void ShareFixture::StopAndCheck() {
  if (front_end_) front_end_->Disconnect();
  if (!daemon_) return;
  const auto status = daemon_->WaitForExit();
  EXPECT_TRUE(status.has_value()) << "still running after the disconnect\n" << daemon_->Output();
  EXPECT_EQ(status.value_or(0), 0) << daemon_->Output();
  EXPECT_THAT(daemon_->Leftovers(), testing::IsEmpty());
}

void ShareFixture::TearDown() {
  StopAndCheck();
  for (const auto& queue : fuse_queues_) EXPECT_EQ(queue->violation(), "");
  if (HasFailure() && daemon_) std::fprintf(stderr, "%s", daemon_->Output().c_str());
  clients_.clear();
  fuse_queues_.clear();
  front_end_.reset();
  daemon_.reset();
  EXPECT_EQ(vmm::OpenDescriptors(getpid())->size(), descriptors_before_);
}

void ShareFixture::WriteHost(std::string_view name, std::string_view content, mode_t mode) const {
  const UniqueFd file(open(Host(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.valid()) << Host(name) << ": " << Errno::Last().Message();
  while (!content.empty()) {
    const ssize_t written = write(file.get(), content.data(), content.size());
    ASSERT_GT(written, 0);
    content.remove_prefix(static_cast<size_t>(written));
  }
  ASSERT_EQ(fchmod(file.get(), mode), 0);
}

std::string ShareFixture::ReadHost(std::string_view name) const {
  std::ifstream file(Host(name), std::ios::binary);
  EXPECT_TRUE(file.is_open()) << Host(name);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void ShareFixture::MakeHostDirectory(std::string_view name, mode_t mode) const {
  ASSERT_EQ(mkdir(Host(name).c_str(), 0700), 0) << Host(name);
  ASSERT_EQ(chmod(Host(name).c_str(), mode), 0) << Host(name);
}

bool ShareFixture::HostExists(std::string_view name) const {
  struct stat ignored;
  return lstat(Host(name).c_str(), &ignored) == 0;
}

struct stat ShareFixture::StatHost(std::string_view name) const {
  struct stat result {};
  if (lstat(Host(name).c_str(), &result) != 0) result = {};
  return result;
}

std::string Pattern(size_t size, uint64_t seed) {
  std::string text(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (size_t i = 0; i < size; i += sizeof(state)) {
    state ^= state << 13;  // xorshift64
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(text.data() + i, &state, std::min(sizeof(state), size - i));
  }
  return text;
}

}  // namespace postern
