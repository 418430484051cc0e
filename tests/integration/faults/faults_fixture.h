// A share with other filesystems mounted in it, for the tests of this folder.
#ifndef POSTERN_TESTS_INTEGRATION_FAULTS_FAULTS_FIXTURE_H_
#define POSTERN_TESTS_INTEGRATION_FAULTS_FAULTS_FIXTURE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/faults/scripted_filesystem.h"
#include "tests/integration/share/share_fixture.h"

namespace postern {

// A request that is under way while the test does something else.
class AsyncRequest {
 public:
  explicit AsyncRequest(vmm::FuseQueue& queue) : queue_(queue) {}
  ~AsyncRequest() {
    if (!done_) queue_.Abandon(this);
  }
  AsyncRequest(const AsyncRequest&) = delete;
  AsyncRequest& operator=(const AsyncRequest&) = delete;

  // Puts into the ring what `encode` makes of a request; the device sees it after the queue's
  // Flush().
  template <typename Encode>
  void Submit(Encode&& encode) {
    vmm::FuseRequest* request = queue_.Begin();
    ASSERT_NE(request, nullptr);
    encode(*request);
    ASSERT_OK(queue_.Submit(*request, &AsyncRequest::Complete, this));
  }
  template <typename Encode>
  void Send(Encode&& encode) {
    ASSERT_NO_FATAL_FAILURE(Submit(std::forward<Encode>(encode)));
    queue_.Flush();
  }
  bool done() const { return done_; }
  // The errno value of the reply, waiting for it.
  int Error() {
    while (!done_) {
      const auto waited = queue_.Wait(std::chrono::seconds(10));
      if (!waited.ok()) return waited.errno_value();
    }
    return error_;
  }

 private:
  static void Complete(void* context, const vmm::FuseReply& reply) {
    auto* const self = static_cast<AsyncRequest*>(context);
    self->done_ = true;
    self->error_ = reply.error;
  }

  vmm::FuseQueue& queue_;
  bool done_ = false;
  int error_ = 0;
};

// Mounts are made in a mount namespace of the test program's own, so that none is left behind.
class FaultsFixture : public ShareFixture {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Each needs CAP_SYS_ADMIN, without which the test is skipped by SetUp().
  void MountTmpfs(std::string_view name, const std::string& data);
  void MountScripted(std::string_view name, ScriptedFilesystem::Files files);
  ScriptedFilesystem& scripted() { return *scripted_; }

  // The daemon is asked to end by nobody but the test: TearDown() doesn't look at how.
  void ForgetDaemon();
  // The lines of the daemon's log with `text` in them.
  size_t LogLines(std::string_view text) const;

  std::unique_ptr<ScriptedFilesystem> scripted_;
  std::vector<std::string> mounts_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_INTEGRATION_FAULTS_FAULTS_FIXTURE_H_
