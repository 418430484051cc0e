// One of the requests that a workload keeps in flight.
#ifndef POSTERN_TESTS_BENCH_LANE_H_
#define POSTERN_TESTS_BENCH_LANE_H_

#include <absl/status/status.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/vmm/fuse_client.h"
#include "tests/vmm/guest_memory.h"

namespace postern::bench {

class Replay;

// What a workload remembers from request to request. Belongs to the thread of its queue.
struct Lane {
  size_t index = 0;  // Among all lanes of all queues.
  size_t lanes = 1;
  vmm::FuseClient* client = nullptr;  // Of the lane's queue; for before and after, not between.
  vmm::GuestBuffer data;              // Of the workload's size.
  std::string share;                  // The shared directory, as the host sees it.

  NodeId directory{FUSE_ROOT_ID};
  NodeId node{0};
  vmm::FuseHandle handle{0};
  uint64_t offset = 0;
  uint64_t turn = 0;  // Operations so far.
  std::string name;
  std::string other_name;
  std::vector<fuse_forget_one> seen;  // What has to be forgotten.
  std::shared_ptr<Replay> replay;     // Of a trace.
  uint64_t units = 0;                 // What is counted: operations, or entries.

  // A number below `bound`, the same ones for every daemon: a linear congruential generator.
  uint64_t Random(uint64_t bound) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    return (random >> 24) % bound;
  }
  uint64_t random = 1;
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_LANE_H_
