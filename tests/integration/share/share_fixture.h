// A daemon that shares a directory, with a front end on it, for every test of this folder.
#ifndef POSTERN_TESTS_INTEGRATION_SHARE_SHARE_FIXTURE_H_
#define POSTERN_TESTS_INTEGRATION_SHARE_SHARE_FIXTURE_H_

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/vmm/daemon_process.h"
#include "tests/vmm/front_end.h"
#include "tests/vmm/fuse_client.h"
#include "tests/vmm/temp_directory.h"

namespace postern {

// Marks a test of something that other daemons do otherwise, and says what.
#define POSTERN_ONLY(what_others_do) \
  if (!IsPostern()) GTEST_SKIP() << "not with a peer: " << (what_others_do)

#define EXPECT_OK(expr)                                                                  \
  do {                                                                                   \
    const auto& ok_result_ = (expr);                                                     \
    EXPECT_EQ(ok_result_.errno_value(), 0) << Errno(ok_result_.errno_value()).Message(); \
  } while (false)
#define ASSERT_OK(expr)                                                                  \
  do {                                                                                   \
    const auto& ok_result_ = (expr);                                                     \
    ASSERT_EQ(ok_result_.errno_value(), 0) << Errno(ok_result_.errno_value()).Message(); \
  } while (false)
// Compares with an errno value.
#define EXPECT_ERRNO(expr, expected) EXPECT_EQ((expr).errno_value(), expected)
#define ASSERT_OK_AND_ASSIGN(declaration, expr) \
  ASSERT_OK_AND_ASSIGN_IMPL(POSTERN_CONCAT(or_, __LINE__), declaration, expr)
#define ASSERT_OK_AND_ASSIGN_IMPL(result, declaration, expr)                       \
  auto result = (expr);                                                            \
  ASSERT_EQ(result.errno_value(), 0) << #expr << ": " << result.error().Message(); \
  declaration = std::move(result).value()

inline constexpr NodeId kRoot = kRootNodeId;

// Makes the shared directory and starts nothing. Every test ends with: no rule broken by the
// device, exit status 0 after the disconnect, no process left, and as many descriptors of our own
// as before.
class ShareFixture : public testing::Test {
 protected:
  struct Setup {
    vmm::FrontEnd::Options front_end = {};
    vmm::FuseQueue::Options fuse = {};
    std::vector<std::string> daemon_options = {};
    std::vector<std::string> daemon_command = {};  // Empty: DaemonCommand().
    bool init = true;
    vmm::InitOptions init_options = {};
  };

  ShareFixture();
  ~ShareFixture() override;
  void SetUp() override;
  void TearDown() override;

  // Whether the daemon under test is ours.
  static bool IsPostern();
  // Its command line without socket and directory.
  static std::vector<std::string> DaemonCommand();

  // Starts the daemon, connects, starts the rings, sends INIT.
  void Start(const Setup& setup);
  void StartDaemon(const std::vector<std::string>& options,
                   const std::vector<std::string>& command = DaemonCommand());
  void StartFrontEnd(const Setup& setup);
  // Ends the connection and checks how the daemon ends.
  void StopAndCheck();

  vmm::DaemonProcess& daemon() { return *daemon_; }
  vmm::FrontEnd& front_end() { return *front_end_; }
  // FUSE over the first request queue.
  vmm::FuseClient& fuse() { return *clients_[1]; }
  // FUSE over any queue; 0 is hiprio.
  vmm::FuseClient& fuse_on(size_t queue) { return *clients_[queue]; }
  vmm::FuseQueue& fuse_queue(size_t queue) { return *fuse_queues_[queue]; }
  size_t queue_count() const { return clients_.size(); }

  // ---- the host's view of the shared directory ----
  std::string Host(std::string_view name) const { return share_ + "/" + std::string(name); }
  void WriteHost(std::string_view name, std::string_view content, mode_t mode = 0644) const;
  std::string ReadHost(std::string_view name) const;
  void MakeHostDirectory(std::string_view name, mode_t mode = 0755) const;
  bool HostExists(std::string_view name) const;
  // lstat(2); all zero if there is no such file.
  struct stat StatHost(std::string_view name) const;

  const vmm::TempDirectory temp_;
  const std::string share_;  // World-writable.
  std::unique_ptr<vmm::DaemonProcess> daemon_;
  std::unique_ptr<vmm::FrontEnd> front_end_;
  std::vector<std::unique_ptr<vmm::FuseQueue>> fuse_queues_;
  std::vector<std::unique_ptr<vmm::FuseClient>> clients_;

 private:
  size_t descriptors_before_ = 0;
};

// The same, started with the defaults.
class ShareTest : public ShareFixture {
 protected:
  void SetUp() override {
    ShareFixture::SetUp();
    ASSERT_NO_FATAL_FAILURE(Start({}));
  }
};

// `size` bytes that differ from place to place and from `seed` to `seed`.
std::string Pattern(size_t size, uint64_t seed);

}  // namespace postern

#endif  // POSTERN_TESTS_INTEGRATION_SHARE_SHARE_FIXTURE_H_
