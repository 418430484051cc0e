// That the counter counts.
#include "tests/unit/allocations/allocation_count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace postern {
namespace {

using testing::HasSubstr;

struct alignas(128) Aligned {
  char bytes[128];
};

// Whatever the compiler knows of allocations, it must not leave this one out.
template <typename T>
void Keep(T* pointer) {
  asm volatile("" : : "r"(pointer) : "memory");
}

void AllocateEachWay() {
  const auto plain = std::make_unique<int>();
  Keep(plain.get());
  const auto aligned = std::make_unique<Aligned>();
  Keep(aligned.get());
  void* block = std::malloc(10);
  Keep(block);
  block = std::realloc(block, 100'000);
  Keep(block);
  std::free(block);
  block = std::calloc(10, 10);
  Keep(block);
  std::free(block);
}

TEST(AllocationCountTest, EachWayToAllocateIsCounted) {
  AllocationCount count;
  count.StartAll();
  AllocateEachWay();
  count.Stop();
  EXPECT_EQ(count.count(), 5u);
  EXPECT_THAT(count.Places(), HasSubstr("AllocateEachWay"));
}

TEST(AllocationCountTest, NothingIsCountedBeforeStartAndAfterStop) {
  AllocationCount count;
  AllocateEachWay();
  count.StartAll();
  count.Stop();
  AllocateEachWay();
  EXPECT_EQ(count.count(), 0u);
}

TEST(AllocationCountTest, TheCallingThreadIsExemptFromThoseOfOthers) {
  AllocationCount count;
  std::thread other;
  count.StartOthers();
  AllocateEachWay();
  EXPECT_EQ(count.count(), 0u);
  other = std::thread(AllocateEachWay);
  other.join();
  count.Stop();
  EXPECT_GE(count.count(), 5u);
}

}  // namespace
}  // namespace postern
