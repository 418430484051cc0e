// How a daemon ends, as its front end sees it.
#include <signal.h>
#include <sys/socket.h>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

class LifeCycleTest : public ShareFixture {};

TEST_F(LifeCycleTest, DisconnectBeforeAnyMessageEndsWithStatus0) {
  ASSERT_NO_FATAL_FAILURE(StartDaemon({}));
  auto socket = daemon().Connect();
  ASSERT_TRUE(socket.ok()) << socket.status();
  socket->Reset();
  StopAndCheck();
}

TEST_F(LifeCycleTest, DisconnectWithOpenFilesEndsWithStatus0) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  ASSERT_OK(fuse().Create(kRoot, "file", O_RDWR));
  ASSERT_OK(fuse().Opendir(kRoot));
  StopAndCheck();
}

TEST_F(LifeCycleTest, DisconnectInsideAMessageEndsTheDaemon) {
  ASSERT_NO_FATAL_FAILURE(StartDaemon({}));
  auto socket = daemon().Connect();
  ASSERT_TRUE(socket.ok()) << socket.status();
  const uint8_t half[] = {1, 0, 0, 0, 1, 0};
  ASSERT_EQ(send(socket->get(), half, sizeof(half), MSG_NOSIGNAL), ssize_t{sizeof(half)});
  socket->Reset();
  EXPECT_TRUE(daemon().WaitForExit().has_value()) << daemon().Output();
  EXPECT_THAT(daemon().Leftovers(), testing::IsEmpty());
  daemon_.reset();
}

TEST_F(LifeCycleTest, SigtermWhileServingEndsTheDaemon) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  daemon().Signal(SIGTERM);
  const auto status = daemon().WaitForExit();
  ASSERT_TRUE(status.has_value()) << daemon().Output();
  EXPECT_THAT(daemon().Leftovers(), testing::IsEmpty());
  // The front end sees the end too.
  EXPECT_THAT(front_end().client().GetFeatures().errno_value(), testing::AnyOf(ECONNRESET, EPIPE));
  daemon_.reset();
}

TEST_F(LifeCycleTest, ProcessesStayInTheLaunchersGroup) {
  // libvirt signals the process group.
  ASSERT_NO_FATAL_FAILURE(Start({}));
  for (const vmm::ProcessInfo& process : daemon().Processes()) {
    EXPECT_EQ(getpgid(process.pid), daemon().pid()) << process.name;
  }
}

}  // namespace
}  // namespace postern
