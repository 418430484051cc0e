// Counts what a program allocates, and finds out where.
#ifndef POSTERN_TESTS_UNIT_ALLOCATIONS_ALLOCATION_COUNT_H_
#define POSTERN_TESTS_UNIT_ALLOCATIONS_ALLOCATION_COUNT_H_

#include <cstdint>
#include <string>

namespace postern {

// Who links this has malloc(3) and its like replaced by functions that count, and operator new with
// them, which calls them. Not for programs with a sanitizer, which replaces them too. One at a
// time.
class AllocationCount {
 public:
  // Counts nothing yet.
  AllocationCount();
  ~AllocationCount() { Stop(); }
  AllocationCount(const AllocationCount&) = delete;
  AllocationCount& operator=(const AllocationCount&) = delete;

  // From here on what any thread allocates is counted...
  void StartAll();
  // ... or what any but the calling one does.
  void StartOthers();
  // Until here. The count stays, for more to be added.
  void Stop();

  uint64_t count() const;
  // The calls that led to the allocations, the most frequent first.
  std::string Places() const;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_ALLOCATIONS_ALLOCATION_COUNT_H_
