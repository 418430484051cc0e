// Turns requests and answers, as they are in guest memory, into lines of a trace.
#ifndef POSTERN_TESTS_BENCH_RECORD_TRACE_RECORDER_H_
#define POSTERN_TESTS_BENCH_RECORD_TRACE_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/bench/trace.h"

namespace postern::bench {

// Records between two marks that the guest sets: lookups of these names in the root.
class TraceRecorder {
 public:
  static constexpr char kBegin[] = "trace-begin";
  static constexpr char kEnd[] = "trace-end";

  // A request that was answered, headers included; no bytes of answer: none was due. Requests are
  // recorded in the order of these calls.
  void Add(std::span<const std::byte> request, std::span<const std::byte> answer);

  bool complete() const { return ended_; }
  const std::vector<std::string>& lines() const { return lines_; }
  // Operations that a trace can't hold; none, or the trace is of no use.
  const std::vector<uint32_t>& unknown() const { return unknown_; }

 private:
  uint32_t Node(uint64_t id);
  uint32_t Handle(uint64_t id);
  // False if the operation isn't known.
  bool Decode(std::span<const std::byte> body, std::span<const std::byte> answer,
              TraceRequest& request);
  void DecodeAnswer(std::span<const std::byte> answer, TraceRequest& request);
  void TakeEntries(std::span<const std::byte> listing, TraceRequest& request);

  bool begun_ = false;
  bool ended_ = false;
  std::map<uint64_t, uint32_t> nodes_;    // By the daemon's id.
  std::map<uint64_t, uint32_t> handles_;  // Those that are open, by the daemon's id.
  uint32_t last_handle_ = 0;
  std::vector<std::string> lines_;
  std::vector<uint32_t> unknown_;
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_RECORD_TRACE_RECORDER_H_
