#include "broker/inodes/slot_array.h"

#include <gtest/gtest.h>

#include <memory>

namespace postern {
namespace {

using Pointer = std::shared_ptr<int>;

TEST(SlotArray, FindsWhatWasInserted) {
  SlotArray<Pointer> slots(8);
  const SlotKey one = *slots.Insert(std::make_shared<int>(1));
  const SlotKey two = *slots.Insert(std::make_shared<int>(2));
  EXPECT_EQ(**slots.Find(one), 1);
  EXPECT_EQ(**slots.Find(two), 2);
  EXPECT_EQ(slots.used(), 2u);
}

TEST(SlotArray, RemovedKeyIsNotFoundEvenAfterReuseOfItsSlot) {
  SlotArray<Pointer> slots(8);
  const SlotKey old = *slots.Insert(std::make_shared<int>(1));
  EXPECT_EQ(*slots.Remove(old), 1);
  EXPECT_EQ(slots.Find(old), nullptr);

  const SlotKey fresh = *slots.Insert(std::make_shared<int>(2));
  EXPECT_EQ(fresh.index, old.index);
  EXPECT_NE(fresh, old);
  EXPECT_EQ(slots.Find(old), nullptr);
  EXPECT_EQ(**slots.Find(fresh), 2);
}

TEST(SlotArray, KeyOfTheFutureIsNotFound) {
  SlotArray<Pointer> slots(8);
  const SlotKey key = *slots.Insert(std::make_shared<int>(1));
  EXPECT_EQ(slots.Find({key.index, key.generation + 1}), nullptr);
  EXPECT_EQ(slots.Find({key.index + 1, 0}), nullptr);
  EXPECT_EQ(slots.Find({UINT32_MAX, 0}), nullptr);
  slots.Remove(key);
  EXPECT_EQ(slots.Find({key.index, key.generation + 1}), nullptr) << "an empty slot was found";
}

TEST(SlotArray, FullArrayInsertsNothing) {
  SlotArray<Pointer> slots(2);
  ASSERT_TRUE(slots.Insert(std::make_shared<int>(1)));
  ASSERT_TRUE(slots.Insert(std::make_shared<int>(2)));
  EXPECT_FALSE(slots.Insert(std::make_shared<int>(3)));
}

TEST(SlotArray, SlotWhoseGenerationWouldWrapIsRetired) {
  SlotArray<Pointer> slots(1);
  slots.Remove(*slots.Insert(std::make_shared<int>(1)));
  slots.SetGenerationForTest(0, UINT32_MAX);
  const SlotKey last = *slots.Insert(std::make_shared<int>(2));
  ASSERT_EQ(last.generation, UINT32_MAX);

  slots.Remove(last);

  EXPECT_EQ(slots.Find(last), nullptr);
  EXPECT_FALSE(slots.Insert(std::make_shared<int>(3)));
}

}  // namespace
}  // namespace postern
