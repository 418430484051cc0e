// A file of the host's with a lease: whoever opens it waits until the holder has given that up, for
// 45 seconds at the most (fcntl(2), F_SETLEASE).
#include <fcntl.h>
#include <signal.h>

#include <chrono>
#include <deque>
#include <thread>

#include "tests/integration/faults/faults_fixture.h"

namespace postern {
namespace {

using vmm::FuseRequest;
using vmm::NodeOf;

class LeaseTest : public FaultsFixture {
 protected:
  void SetUp() override {
    FaultsFixture::SetUp();
    // How the holder is told that somebody opens the file.
    signal(SIGIO, SIG_IGN);
  }
  void TearDown() override {
    lease_.Reset();
    FaultsFixture::TearDown();
    signal(SIGIO, SIG_DFL);
  }
  // "leased" is what its name says, "file" isn't.
  void StartWithLease() {
    if (IsSkipped()) return;
    WriteHost("leased", "content");
    WriteHost("file", "content");
    lease_.Reset(open(Host("leased").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(lease_);
    if (fcntl(lease_.get(), F_SETLEASE, F_WRLCK) < 0) {
      GTEST_SKIP() << "no leases here: " << Errno::Last().Message();
    }
    Setup setup;
    setup.front_end.queues = 3;
    setup.daemon_options.push_back("--request-queues=2");
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out leased, fuse().Lookup(kRoot, "leased"));
    leased_ = NodeOf(leased);
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out file, fuse().Lookup(kRoot, "file"));
    file_ = NodeOf(file);
    ASSERT_EQ(fcntl(lease_.get(), F_GETLEASE), F_WRLCK) << "nobody has opened it yet";
  }
  // That somebody waits for the lease: then it is told as what it is to become.
  bool WaitForOpener() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (fcntl(lease_.get(), F_GETLEASE) == F_WRLCK) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
  void GiveUpLease() { ASSERT_EQ(fcntl(lease_.get(), F_SETLEASE, F_UNLCK), 0); }

  UniqueFd lease_;
  NodeId leased_{0};
  NodeId file_{0};
};

TEST_F(LeaseTest, OpenThatWaitsHoldsUpNothingOfItsMessageNorOfItsQueue) {
  ASSERT_NO_FATAL_FAILURE(StartWithLease());
  std::deque<AsyncRequest> others;
  const auto submit_others = [&] {
    others.emplace_back(fuse_queue(1)).Submit([&](FuseRequest& request) {
      vmm::EncodeGetattr(request, leased_, std::nullopt);
    });
    others.emplace_back(fuse_queue(1)).Submit([&](FuseRequest& request) {
      vmm::EncodeOpen(request, file_, O_RDWR);
    });
    others.emplace_back(fuse_queue(1)).Submit([&](FuseRequest& request) {
      vmm::EncodeLookup(request, kRoot, "file");
    });
  };
  submit_others();
  AsyncRequest waiting(fuse_queue(1));
  waiting.Submit([&](FuseRequest& request) { vmm::EncodeOpen(request, leased_, O_RDONLY); });
  submit_others();
  fuse_queue(1).Flush();
  ASSERT_TRUE(WaitForOpener());
  for (AsyncRequest& request : others) EXPECT_EQ(request.Error(), 0);
  // What comes later, on either queue.
  for (size_t queue : {size_t{1}, size_t{2}}) {
    fuse_on(queue).set_timeout(std::chrono::seconds(10));
    EXPECT_OK(fuse_on(queue).Getattr(leased_));
    EXPECT_OK(fuse_on(queue).Open(file_, O_RDONLY));
    EXPECT_OK(fuse_on(queue).Mkdir(kRoot, "new" + std::to_string(queue)));
  }
  EXPECT_FALSE(waiting.done());
  ASSERT_NO_FATAL_FAILURE(GiveUpLease());
  EXPECT_EQ(waiting.Error(), 0);
}

TEST_F(LeaseTest, ManyOpensThatWaitLeaveTheOthersServed) {
  ASSERT_NO_FATAL_FAILURE(StartWithLease());
  std::deque<AsyncRequest> waiting;
  for (int i = 0; i < 40; ++i) {  // More than there are threads for them.
    waiting.emplace_back(fuse_queue(1)).Submit([&](FuseRequest& request) {
      vmm::EncodeOpen(request, leased_, O_RDONLY);
    });
  }
  fuse_queue(1).Flush();
  ASSERT_TRUE(WaitForOpener());
  for (size_t queue : {size_t{1}, size_t{2}}) {
    fuse_on(queue).set_timeout(std::chrono::seconds(10));
    EXPECT_OK(fuse_on(queue).Getattr(leased_));
    EXPECT_OK(fuse_on(queue).Mkdir(kRoot, "new" + std::to_string(queue)));
  }
  ASSERT_NO_FATAL_FAILURE(GiveUpLease());
  for (AsyncRequest& request : waiting) EXPECT_EQ(request.Error(), 0);
}

}  // namespace
}  // namespace postern
