// Plays a trace again, for one lane.
#ifndef POSTERN_TESTS_BENCH_REPLAY_H_
#define POSTERN_TESTS_BENCH_REPLAY_H_

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/trace.h"
#include "tests/bench/workload.h"

namespace postern::bench {

// The trace's requests, one after the other and over and over, below a directory of the lane's own.
// An answer is wrong if it has another error than the recorded one, or other sizes.
//
// Two things follow the daemon and its filesystem instead of the record: a listing goes on from
// where the last answer ended, and may bring other names in an answer than it did; what is needed
// before it was listed is then looked up first. And a forget takes back as many lookups as there
// were; what is left of them at the end of the trace is forgotten there.
class Replay {
 public:
  // `trace` outlives it; `root` is the directory.
  Replay(const Trace& trace, NodeId root);

  // The next request, and its answer.
  void Encode(Lane& lane, vmm::FuseRequest& request);
  Next Take(Lane& lane, const vmm::FuseReply& reply);
  // Closes and forgets what the trace was in the middle of.
  absl::Status Abandon(vmm::FuseClient& client);

 private:
  struct Node {
    uint64_t id = 0;  // The daemon's; 0: not known now.
    uint64_t lookups = 0;
    bool forgotten = false;  // By the trace: the number doesn't come again.
  };
  struct Place {  // Where the trace has first seen a node.
    uint32_t parent = 0;
    std::string_view name;
  };
  using NodesByPlace =
      absl::flat_hash_map<std::pair<uint32_t, std::string_view>, std::vector<uint32_t>>;

  void Restart();
  // A node that a request needs and the daemon hasn't named yet, ancestors first; 0: none.
  uint32_t Missing(const TraceRequest& request) const;
  // Fills forgets_; false if there is nothing to forget.
  bool CollectForgets(const TraceRequest& request);
  bool CollectLeftovers();
  void EncodeForgets(vmm::FuseRequest& request) const;
  void EncodeRecorded(const TraceRequest& recorded, Lane& lane, vmm::FuseRequest& request);
  Next TakeRecorded(const TraceRequest& recorded, Lane& lane, const vmm::FuseReply& reply);
  Next TakeListing(const TraceRequest& recorded, Lane& lane, size_t size);
  void Found(uint32_t node, uint64_t id);
  NodeId Id(uint32_t node) const { return NodeId(nodes_[node].id); }
  vmm::FuseHandle HandleOf(uint32_t handle) const { return vmm::FuseHandle(handles_[handle].id); }

  struct Handle {
    uint64_t id = 0;
    uint64_t offset = 0;  // Of a listing.
    uint32_t node = 0;    // 0: closed.
    bool directory = false;
  };

  const Trace& trace_;
  std::vector<Place> places_;  // By node.
  NodesByPlace by_place_;
  std::vector<Node> nodes_;
  std::vector<Handle> handles_;
  std::vector<fuse_forget_one> forgets_;
  size_t next_ = 0;
  uint32_t looked_up_ = 0;  // The node that the request under way is about, beside the record.
  bool leftovers_ = false;  // It is the forgets at the end.
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_REPLAY_H_
