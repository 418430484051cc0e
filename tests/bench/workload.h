// What is measured: sequences of FUSE requests as a guest's kernel makes them, and the same with
// plain system calls.
#ifndef POSTERN_TESTS_BENCH_WORKLOAD_H_
#define POSTERN_TESTS_BENCH_WORKLOAD_H_

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/lane.h"
#include "tests/bench/native.h"

namespace postern::bench {

enum class Next {
  kStep,    // The next step; after the last one the operation is done.
  kRepeat,  // The same step again.
  kWrong,   // The reply isn't what it must be.
};

// One request of an operation.
struct Step {
  void (*encode)(Lane& lane, vmm::FuseRequest& request);
  // Looks at a reply; null: it has nothing to be looked at.
  Next (*take)(Lane& lane, const vmm::FuseReply& reply) = nullptr;
  bool takes_errors = false;  // `take` sees replies with errors, too; else they end the run.
};

struct Workload {
  std::string name;
  std::string unit = "op";  // What is counted.
  uint32_t bytes = 0;       // Of the data buffer; also moved by each operation if `moves_data`.
  bool moves_data = false;
  std::vector<std::string> options = {};  // Of the daemon, beyond the defaults.
  bool needs_attributes = false;          // Extended attributes of users.
  // Before and after the time that counts, by Lane::client. Null: nothing to do.
  absl::Status (*prepare)(Lane& lane) = nullptr;
  std::vector<Step> steps;
  absl::Status (*finish)(Lane& lane) = nullptr;
  // One operation without any daemon; returns its units. Null: there is nothing comparable.
  uint64_t (*native)(NativeLane& lane) = nullptr;
};

// In the order in which they run.
std::vector<Workload> AllWorkloads();

// For their parts.
std::vector<Workload> NameWorkloads();
std::vector<Workload> DirectoryWorkloads();
std::vector<Workload> FileWorkloads();
std::vector<Workload> TraceWorkloads();

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_WORKLOAD_H_
