#include "broker/service/waiting_room.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace postern {
namespace {

class WaitingRoomTest : public testing::Test {
 protected:
  static WaitingRoom::Work Of(uint64_t device, uint64_t id = 1) {
    WaitingRoom::Work work{.request = {}, .session = nullptr, .device = device};
    work.request.set_id(id);
    return work;
  }
  static bool Put(WaitingRoom& room, uint64_t device, uint64_t id = 1) {
    WaitingRoom::Work work = Of(device, id);
    return room.Put(work);
  }
};

TEST_F(WaitingRoomTest, WithoutThreadsNobodyWaits) {
  WaitingRoom room(0);
  EXPECT_FALSE(Put(room, 1));
}

TEST_F(WaitingRoomTest, WhatIsRefusedStaysAsItWas) {
  WaitingRoom room(1);
  for (size_t i = 0; i < WaitingRoom::kMaxWaiting; ++i) ASSERT_TRUE(Put(room, 1));
  WaitingRoom::Work work = Of(1, /*id=*/77);
  EXPECT_FALSE(room.Put(work));
  EXPECT_EQ(work.request.id(), 77u);
}

TEST_F(WaitingRoomTest, FirstComeFirstServed) {
  WaitingRoom room(4);
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(Put(room, 1, id));
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(room.Take()->request.id(), id);
}

TEST_F(WaitingRoomTest, OneDeviceHasAsManyAsAskedForAndNotAllOfTheThreads) {
  WaitingRoom room(6);
  ASSERT_GT(WaitingRoom::ThreadsFor(6), 6u);
  for (uint64_t id = 1; id <= 20; ++id) ASSERT_TRUE(Put(room, /*device=*/1, id));
  ASSERT_TRUE(Put(room, /*device=*/2, 100));
  for (uint64_t id = 1; id <= 6; ++id) EXPECT_EQ(room.Take()->request.id(), id);
  EXPECT_EQ(room.Take()->request.id(), 100u) << "it would have to wait behind a dead mount";
  room.Done(1);
  EXPECT_EQ(room.Take()->request.id(), 7u);
}

TEST_F(WaitingRoomTest, OneThreadServesEveryDevice) {
  WaitingRoom room(1);
  ASSERT_TRUE(Put(room, 1));
  ASSERT_TRUE(Put(room, 2));
  EXPECT_EQ(room.Take()->device, 1u);
  room.Done(1);
  EXPECT_EQ(room.Take()->device, 2u);
}

TEST_F(WaitingRoomTest, ThreadsThatWaitAreWokenByWorkAndByTheEnd) {
  WaitingRoom room(4);
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (const auto work = room.Take()) {
        ++taken;
        room.Done(work->device);
      }
    });
  }
  for (uint64_t id = 1; id <= 1000; ++id) {
    while (!Put(room, id % 3, id)) std::this_thread::yield();
  }
  while (taken < 1000) std::this_thread::yield();
  room.Close();
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(Put(room, 1)) << "closed";
}

}  // namespace
}  // namespace postern
