// A share with a canary beside it, a broker on it, and the test as a worker that was taken over.
#ifndef POSTERN_TESTS_HOSTILE_WORKER_HOSTILE_WORKER_FIXTURE_H_
#define POSTERN_TESTS_HOSTILE_WORKER_HOSTILE_WORKER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "proto/rpc.pb.h"
#include "tests/hostile/worker/attack_requests.h"
#include "tests/hostile/worker/broker_under_attack.h"
#include "tests/hostile/worker/canary.h"
#include "tests/unit/broker/requests.h"
#include "tests/vmm/temp_directory.h"

namespace postern {

// Every test ends with: the broker has ended the session in order, or goes on serving on every
// channel and gives all its descriptors back on RESET; nothing has killed it; it has logged a line
// at most; the canary is untouched.
class HostileWorkerTest : public testing::Test {
 protected:
  using Words = std::vector<std::string>;
  static constexpr uint64_t kRoot = 1;

  // Needs root for fanotify and for the broker's real credentials.
  void SetUp() override;
  void TearDown() override;

  // Starts the broker with posternd's options; the first session begins unless `initialize` is
  // false. Again: with another one, on the same share.
  void StartBroker(const Words& options = {}, bool initialize = true);
  // Which way raw messages go, from the next StartBroker() on.
  void SendRawOver(BrokerUnderAttack::Over over) { over_ = over; }
  BrokerUnderAttack& broker() { return *broker_; }
  BrokerUnderAttack::Answer Ask(const rpc::Request& request, size_t channel = 1) {
    return broker_->Ask(request, channel);
  }

  // The message was malformed: the broker exits with status 1 after one line that says `reason`, or
  // any if that is empty.
  void ExpectSessionEnds(const std::string& reason);
  // Each channel answers.
  void ExpectServes();

  std::string Share(const std::string& name = "") const { return directory_.Path("share/" + name); }
  std::string Outside(const std::string& name = "") const {
    return directory_.Path("outside/" + name);
  }
  std::string Path(const std::string& name) const { return directory_.Path(name); }
  Canary& canary() { return *canary_; }

  // What a worker can know of the share, looked up and opened by an earlier, honest request.
  struct Known {
    uint64_t file = 0;       // "file", a regular one.
    uint64_t directory = 0;  // "directory", with "inner" in it.
    uint64_t link = 0;       // "link", to the canary.
    uint64_t fifo = 0;
    uint64_t open_file = 0;       // "file", for reading and writing.
    uint64_t open_directory = 0;  // "directory".
  };
  // Fails the test if the broker doesn't tell.
  Known LearnIds();
  uint64_t NodeOf(const std::string& name, uint64_t parent = kRoot);

 private:
  void ExpectEndsInOrder();
  Words LogLines() const;

  const vmm::TempDirectory directory_;
  std::unique_ptr<Canary> canary_;
  std::unique_ptr<BrokerUnderAttack> broker_;
  BrokerUnderAttack::Over over_ = BrokerUnderAttack::Over::kRing;
  size_t descriptors_at_start_ = 0;
  bool ended_ = false;
};

}  // namespace postern

#endif  // POSTERN_TESTS_HOSTILE_WORKER_HOSTILE_WORKER_FIXTURE_H_
