// What the workloads have in common: finding their files, taking replies apart.
#ifndef POSTERN_TESTS_BENCH_PREPARE_H_
#define POSTERN_TESTS_BENCH_PREPARE_H_

#include <absl/status/status.h>

#include <cstring>
#include <optional>
#include <type_traits>

#include "common/errno_or.h"
#include "tests/bench/lane.h"

namespace postern::bench {

inline absl::Status Failed(const char* step, Errno error) {
  return absl::InternalError(std::string(step) + ": " + error.Message());
}

// The reply's arguments, if they have that size.
template <typename T>
std::optional<T> As(const vmm::FuseReply& reply) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (reply.arguments.size() != sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, reply.arguments.data(), sizeof(value));
  return value;
}

// Sets lane.node.
absl::Status FindDataFile(Lane& lane);
// Sets lane.directory to one below the root.
absl::Status FindDirectory(Lane& lane, const char* name);

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_PREPARE_H_
