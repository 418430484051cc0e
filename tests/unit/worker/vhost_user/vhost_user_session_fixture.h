// A VhostUserSession in a thread, with a front end on one side and a fake device on the other.
#ifndef POSTERN_TESTS_UNIT_WORKER_VHOST_USER_VHOST_USER_SESSION_FIXTURE_H_
#define POSTERN_TESTS_UNIT_WORKER_VHOST_USER_VHOST_USER_SESSION_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/event_fd.h"
#include "tests/unit/open_descriptors.h"
#include "tests/unit/worker/guest_memory.h"
#include "tests/unit/worker/ring_driver.h"
#include "tests/unit/worker/vhost_user/fake_device.h"
#include "tests/unit/worker/vhost_user/front_end.h"
#include "worker/vhost_user/vhost_user_session.h"

namespace postern {

// Every test ends with the descriptors that it began with, and with a device at rest.
class VhostUserSessionFixture : public testing::Test {
 protected:
  using R = VhostUserRequest;
  static constexpr uint64_t kFeatures = 0x170000000;

  void SetUp() override {
    before_ = OpenDescriptors();
    NewFrontEnd();
    memory_.emplace();
    event_.emplace(*EventFd::Create());
    stop_.emplace(*EventFd::Create());
  }
  void TearDown() override {
    if (thread_.joinable()) {
      EXPECT_EQ(Finish(), 0);
    }
    for (size_t i = 0; i < device_.queue_count(); ++i) {
      EXPECT_FALSE(device_.queue(i).started());
      EXPECT_FALSE(device_.queue(i).enabled());
    }
    front_end_.reset();
    memory_.reset();
    event_.reset();
    stop_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  void NewFrontEnd() {
    front_end_.emplace([this] { device_.HandOver(); });
  }
  void Begin(const std::string& tag = "") {
    thread_ = std::thread([this, tag, socket = front_end_->TakeFarEnd()]() mutable {
      VhostUserSession session(std::move(socket), device_, {.tag = tag, .stop_fd = stop_->fd()});
      result_ = session.Run().errno_value();
    });
  }
  // Waits until the session has ended by itself, and returns its result.
  int Join() {
    thread_.join();
    return result_;
  }
  // Disconnects.
  int Finish() {
    front_end_->Close();
    return Join();
  }

  // Returns when all that was sent before has been handled.
  void Barrier() { EXPECT_EQ(front_end_->AskNumber(R::kGetFeatures), kFeatures); }
  void Send(R request, std::string_view payload = "", const std::vector<int>& descriptors = {}) {
    front_end_->Send(request, payload, descriptors);
  }
  uint64_t Acknowledged(R request, std::string_view payload = "",
                        const std::vector<int>& descriptors = {}) {
    return front_end_->Acknowledged(request, payload, descriptors);
  }
  static std::string Number(uint64_t value) { return Pack(value); }
  static std::string State(uint32_t index, uint32_t num) {
    return Pack(VhostUserVringState{index, num});
  }
  static std::string Region(const MemoryRegionSettings& region) {
    return Pack(region.guest_address.value(), region.size, region.front_end_address.value(),
                region.mmap_offset);
  }
  static std::string SingleRegion(const MemoryRegionSettings& region) {
    return Pack(uint64_t{0}) + Region(region);
  }
  // The addresses of RingDriver.
  std::string Addresses(uint32_t index, uint32_t flags = 0, uint64_t log = 0) const {
    const VirtqueueSettings settings = driver().Settings();
    return Pack(VhostUserVringAddresses{index, flags, settings.descriptor_table.value(),
                                        settings.used_ring.value(), settings.available_ring.value(),
                                        log});
  }
  RingDriver driver() const { return RingDriver(*memory_, 8); }

  // What QEMU 10 has said before the driver is ready, with need_reply where it waits.
  void Connect(uint64_t protocol_features = 0xa029) {
    Send(R::kSetProtocolFeatures, Number(protocol_features));
    Send(R::kSetOwner);
    Send(R::kSetFeatures, Number(kFeatures));
  }
  void AddMemory() {
    ASSERT_EQ(Acknowledged(R::kAddMemReg, SingleRegion(GuestMemory::Low()), {memory_->fd()}), 0u);
    ASSERT_EQ(Acknowledged(R::kAddMemReg, SingleRegion(GuestMemory::High()), {memory_->fd()}), 0u);
  }
  void StartRing(uint32_t index, uint32_t base = 0) {
    Send(R::kSetVringNum, State(index, 8));
    Send(R::kSetVringBase, State(index, base));
    Send(R::kSetVringAddr, Addresses(index));
    Send(R::kSetVringKick, Number(index), {event_->fd()});
    Barrier();
  }
  // All of the above, and ring 1 at work.
  void BeginWithRing() {
    Begin();
    Connect();
    AddMemory();
    StartRing(1);
    ASSERT_EQ(Acknowledged(R::kSetVringEnable, State(1, 1)), 0u);
    ASSERT_TRUE(device_.queue(1).started());
    device_.TakeLog();
  }

  std::set<std::string> before_;
  FakeDevice device_{3};
  std::optional<FrontEnd> front_end_;
  std::optional<GuestMemory> memory_;
  std::optional<EventFd> event_;  // For whatever needs a descriptor.
  std::optional<EventFd> stop_;
  std::thread thread_;
  int result_ = -1;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_VHOST_USER_VHOST_USER_SESSION_FIXTURE_H_
