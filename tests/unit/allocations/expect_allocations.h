// The measuring that the tests of worker and broker share.
#ifndef POSTERN_TESTS_UNIT_ALLOCATIONS_EXPECT_ALLOCATIONS_H_
#define POSTERN_TESTS_UNIT_ALLOCATIONS_EXPECT_ALLOCATIONS_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/unit/allocations/allocation_count.h"

namespace postern {

// Has `do_all` do as many units as it is told, counting with `count`: first to warm up, and then to
// see that each allocates `allowed` times at the most. `reason`: for what.
template <typename DoAll>
void ExpectAllocations(const AllocationCount& count, const DoAll& do_all, double allowed,
                       const std::string& reason) {
  constexpr size_t kCounted = 1024;
  constexpr size_t kWarmUp = 512;
  ASSERT_NO_FATAL_FAILURE(do_all(kWarmUp));
  const uint64_t before = count.count();
  ASSERT_NO_FATAL_FAILURE(do_all(kCounted));
  const double each = static_cast<double>(count.count() - before) / kCounted;
  EXPECT_LE(each, allowed) << reason << "\n" << count.Places();
  testing::Test::RecordProperty("allocations", std::to_string(each));
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_ALLOCATIONS_EXPECT_ALLOCATIONS_H_
