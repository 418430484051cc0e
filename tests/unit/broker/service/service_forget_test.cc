// A FORGET that takes long: the last reference to a deleted file frees what that held.
#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "common/mutex_lock.h"
#include "tests/unit/broker/service/service_fixture.h"

namespace postern {
namespace {

// Holds up the closing of O_PATH descriptors, which are those of inodes.
class Closing {
 public:
  void Hold() {
    const MutexLock lock(mutex_);
    held_ = true;
  }
  void Release() {
    const MutexLock lock(mutex_);
    held_ = false;
  }
  // By whoever closes one.
  void Pass() {
    const MutexLock lock(mutex_);
    ++waiting_;
    mutex_.Await(absl::Condition(this, &Closing::MayPassLocked));
    --waiting_;
  }
  void AwaitHeld() {
    const MutexLock lock(mutex_);
    mutex_.Await(absl::Condition(this, &Closing::IsWaitedForLocked));
  }

 private:
  bool MayPassLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !held_; }
  bool IsWaitedForLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return waiting_ > 0; }

  absl::Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

Closing& TheClosing() {
  static Closing& closing = *new Closing;  // To the very end, when files are still closed.
  return closing;
}

}  // namespace
}  // namespace postern

// Instead of the library's.
extern "C" int close(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_PATH) != 0) postern::TheClosing().Pass();
  return static_cast<int>(syscall(SYS_close, fd));
}

namespace postern {
namespace {

class ServiceForgetTest : public ServiceFixture {
 protected:
  // And a file that is known.
  void Start(size_t waiting) {
    Setup setup;
    setup.waiting = waiting;
    StartService(setup);
    share_.Write("file");
    Ask(Initialize());
    forget_.mutable_forget()->add_items()->set_node_id(Lookup("file"));
    forget_.mutable_forget()->mutable_items(0)->set_count(1);
    TheClosing().Hold();
  }
  void TearDown() override {
    TheClosing().Release();
    ServiceFixture::TearDown();
  }

  rpc::Request forget_;
};

TEST_F(ServiceForgetTest, HoldsUpNoMessageThatFollows) {
  ASSERT_NO_FATAL_FAILURE(Start(/*waiting=*/0));
  Ask(std::vector{forget_});
  TheClosing().AwaitHeld();
  EXPECT_EQ(Ask(GetAttributesOf(kRoot)).reply.error(), 0u);
  EXPECT_EQ(Ask(GetAttributesOf(kRoot)).reply.error(), 0u);
}

TEST_F(ServiceForgetTest, HoldsUpNoRequestOfItsMessage) {
  ASSERT_NO_FATAL_FAILURE(Start(/*waiting=*/1));
  const auto answers = Ask({GetAttributesOf(kRoot), forget_, LookupOf("file")});
  TheClosing().AwaitHeld();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].reply.error(), 0u);
  EXPECT_EQ(answers[1].reply.error(), 0u);
}

TEST_F(ServiceForgetTest, IsDoneBeforeTheRequestsOfItsMessage) {
  ASSERT_NO_FATAL_FAILURE(Start(/*waiting=*/1));
  TheClosing().Release();
  const uint64_t node = forget_.forget().items(0).node_id();
  EXPECT_EQ(Ask({GetAttributesOf(node), forget_}).at(0).reply.error(), uint32_t{EBADF});
}

}  // namespace
}  // namespace postern
