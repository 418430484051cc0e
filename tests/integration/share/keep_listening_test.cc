// --keep-listening: one front end after another, and nothing of one reaches the next.
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/integration/share/share_fixture.h"
#include "tests/vmm/process_info.h"

namespace postern {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class KeepListeningTest : public ShareFixture {
 protected:
  void Start(std::vector<std::string> options = {}) {
    POSTERN_ONLY("ends when the front end disconnects");
    options.emplace_back("--keep-listening");
    ASSERT_NO_FATAL_FAILURE(ShareFixture::Start({.daemon_options = options}));
  }
  void Disconnect() {
    clients_.clear();
    fuse_queues_.clear();
    front_end_.reset();
  }
  // The two that see what a guest wrote, or the worker.
  std::vector<pid_t> Children() {
    return {daemon().ProcessNamed("postern-worker"), daemon().ProcessNamed("postern-broker")};
  }
  // Waits until there is none of `processes` any more.
  bool AreGone(const std::vector<pid_t>& processes) {
    const auto is_there = [&](const vmm::ProcessInfo& process) {
      return std::ranges::find(processes, process.pid) != processes.end();
    };
    for (int i = 0; i < 1000; ++i) {
      if (std::ranges::none_of(daemon().Processes(), is_there)) return true;
      usleep(10'000);
    }
    return false;
  }
  void EndBySignal() {
    Disconnect();
    daemon().Signal(SIGTERM);
    EXPECT_EQ(daemon().WaitForExit(), 1) << daemon().Output();
    EXPECT_THAT(daemon().Leftovers(), IsEmpty());
    daemon_.reset();
  }
};

TEST_F(KeepListeningTest, EachFrontEndHasNewProcessesAndANewSession) {
  ASSERT_NO_FATAL_FAILURE(Start());
  WriteHost("file", "of the share");
  for (int i = 0; i < 5; ++i) {
    SCOPED_TRACE(i);
    ASSERT_OK_AND_ASSIGN(const auto entry, fuse().Lookup(kRoot, "file"));
    ASSERT_OK_AND_ASSIGN(const auto opened, fuse().Open(NodeId(entry.nodeid), O_RDWR));
    EXPECT_OK(fuse().ReadString(NodeId(entry.nodeid), vmm::HandleOf(opened), 0, 100));
    const std::vector<pid_t> children = Children();
    ASSERT_THAT(children, Not(Contains(0)));

    Disconnect();
    ASSERT_NO_FATAL_FAILURE(StartFrontEnd({}));
    EXPECT_TRUE(AreGone(children)) << daemon().Output();
    // What the guest before knew and had open is nobody's.
    EXPECT_ERRNO(fuse().Getattr(NodeId(entry.nodeid)), EBADF);
    EXPECT_ERRNO(fuse().ReadString(NodeId(entry.nodeid), vmm::HandleOf(opened), 0, 100), EBADF);
  }
  EndBySignal();
}

TEST_F(KeepListeningTest, TheNextOneMayComeBeforeTheFirstHasGone) {
  ASSERT_NO_FATAL_FAILURE(Start());
  auto next = daemon().Connect();
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_OK(fuse().Getattr(kRoot));
  Disconnect();
  auto front_end = vmm::FrontEnd::Connect(std::move(*next), {});
  ASSERT_TRUE(front_end.ok()) << front_end.status();
  EXPECT_TRUE((*front_end)->Start().ok());
  front_end->reset();
  EndBySignal();
}

TEST_F(KeepListeningTest, NothingIsKeptOfAFrontEndThatHasGone) {
  ASSERT_NO_FATAL_FAILURE(Start());
  // Under way when it goes.
  ASSERT_OK(fuse().Create(kRoot, "file", O_RDWR));
  const auto before = vmm::ListDescriptors(daemon().pid());
  ASSERT_TRUE(before.ok());
  for (int i = 0; i < 5; ++i) {
    const std::vector<pid_t> children = Children();
    Disconnect();
    ASSERT_TRUE(AreGone(children)) << daemon().Output();
    ASSERT_NO_FATAL_FAILURE(StartFrontEnd({}));
  }
  const auto after = vmm::ListDescriptors(daemon().pid());
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(before->size(), after->size());
  EndBySignal();
}

TEST_F(KeepListeningTest, WorksInEachSandbox) {
  for (const char* sandbox : {"namespace", "chroot", "none"}) {
    if (geteuid() != 0 && std::string_view(sandbox) == "chroot") continue;
    SCOPED_TRACE(sandbox);
    ASSERT_NO_FATAL_FAILURE(Start({std::string("--sandbox=") + sandbox}));
    Disconnect();
    ASSERT_NO_FATAL_FAILURE(StartFrontEnd({}));
    EXPECT_OK(fuse().Getattr(kRoot));
    EndBySignal();
  }
}

TEST_F(KeepListeningTest, ADeadWorkerStillEndsTheService) {
  ASSERT_NO_FATAL_FAILURE(Start());
  Disconnect();
  ASSERT_NO_FATAL_FAILURE(StartFrontEnd({}));
  kill(daemon().ProcessNamed("postern-worker"), SIGKILL);
  EXPECT_EQ(daemon().WaitForExit(), 1) << daemon().Output();
  EXPECT_THAT(daemon().Output(), HasSubstr("postern-worker was killed by signal 9"));
  EXPECT_THAT(daemon().Leftovers(), IsEmpty());
  Disconnect();
  daemon_.reset();
}

TEST_F(KeepListeningTest, ADeadSpawnerEndsTheServiceAtTheNextDisconnect) {
  ASSERT_NO_FATAL_FAILURE(Start());
  kill(daemon().ProcessNamed("postern-spawner"), SIGKILL);
  EXPECT_OK(fuse().Getattr(kRoot));
  Disconnect();
  EXPECT_EQ(daemon().WaitForExit(), 1) << daemon().Output();
  EXPECT_THAT(daemon().Output(), HasSubstr("the spawner"));
  EXPECT_THAT(daemon().Leftovers(), IsEmpty());
  daemon_.reset();
}

}  // namespace
}  // namespace postern
