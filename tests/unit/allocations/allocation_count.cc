#include "tests/unit/allocations/allocation_count.h"

#include <absl/debugging/symbolize.h>
#include <execinfo.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

// glibc's own, for which ours stand in.
extern "C" {
void* __libc_malloc(size_t size);                      // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(size_t count, size_t size);        // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* block, size_t size);        // NOLINT(bugprone-reserved-identifier)
void* __libc_memalign(size_t alignment, size_t size);  // NOLINT(bugprone-reserved-identifier)
}

namespace postern {
namespace {

constexpr size_t kFrames = 24;
// This function, and the one of malloc(3)'s family that has called it.
constexpr size_t kOwnFrames = 2;

struct Place {
  std::array<void*, kFrames> frames{};
  int frame_count = 0;
};

// malloc(3) has no other state than the process's.
std::atomic<bool> counting{false};
std::atomic<uint64_t> allocations{0};
std::array<Place, 4096> places;  // Of the first so many.
thread_local bool exempt = false;

void Count() {
  if (!counting.load(std::memory_order_relaxed) || exempt) return;
  const uint64_t index = allocations.fetch_add(1, std::memory_order_relaxed);
  if (index >= places.size()) return;
  exempt = true;
  places[index].frame_count = backtrace(places[index].frames.data(), kFrames);
  exempt = false;
}

std::string Describe(const std::vector<void*>& frames) {
  std::string text;
  for (void* const frame : frames) {
    char name[256];
    // The call is what lies before the address of its return. Safe because nothing is accessed.
    if (!absl::Symbolize(static_cast<char*>(frame) - 1, name, sizeof(name))) continue;
    text += "      " + std::string(name) + "\n";
  }
  return text;
}

}  // namespace

AllocationCount::AllocationCount() {
  // The first call loads a library, which allocates.
  void* frames[1];
  backtrace(frames, 1);
  allocations = 0;
}

void AllocationCount::StartAll() { counting = true; }

void AllocationCount::StartOthers() {
  exempt = true;
  counting = true;
}

void AllocationCount::Stop() {
  counting = false;
  exempt = false;
}

uint64_t AllocationCount::count() const { return allocations; }

std::string AllocationCount::Places() const {
  std::map<std::vector<void*>, size_t> counts;
  for (size_t i = 0; i < std::min<size_t>(count(), places.size()); ++i) {
    const Place& place = places[i];
    const size_t skipped = std::min<size_t>(kOwnFrames, static_cast<size_t>(place.frame_count));
    counts[{place.frames.begin() + skipped, place.frames.begin() + place.frame_count}]++;
  }
  std::vector<std::pair<size_t, std::vector<void*>>> sorted;
  for (const auto& [frames, times] : counts) sorted.emplace_back(times, frames);
  std::ranges::sort(sorted, std::greater<>());
  std::string text;
  for (const auto& [times, frames] : sorted) {
    text += "  " + std::to_string(times) + " times:\n" + Describe(frames);
  }
  return text;
}

}  // namespace postern

extern "C" {

void* malloc(size_t size) noexcept {
  postern::Count();
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) noexcept {
  postern::Count();
  return __libc_calloc(count, size);
}

void* realloc(void* block, size_t size) noexcept {
  postern::Count();
  return __libc_realloc(block, size);
}

void* memalign(size_t alignment, size_t size) noexcept {
  postern::Count();
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) noexcept {
  postern::Count();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** block, size_t alignment, size_t size) noexcept {
  postern::Count();
  void* const made = __libc_memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}
}
