// Recorded sequences of FUSE requests, as text.
#ifndef POSTERN_TESTS_BENCH_TRACE_H_
#define POSTERN_TESTS_BENCH_TRACE_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace postern::bench {

// A request with what matters of its answer. Nodes and handles have the numbers that the trace
// gives them in the order of their appearance (the root is node 1; 0 is none).
//
// As text it is a line: the operation's name and words KEY=VALUE, those aside that are 0 or empty.
// In a name, bytes that are neither letters, digits nor one of "._+-~" are %XX.
struct TraceRequest {
  uint32_t opcode = 0;
  uint32_t node = 0;        // n
  uint32_t handle = 0;      // h
  std::string name;         // s
  uint32_t other_node = 0;  // m: the directory that a file is renamed into, or what is linked
  std::string other_name;   // t: its new name, or a symlink's target
  std::vector<uint64_t> arguments;  // a: N,N,…: as TraceRecorder::Add() has them, by operation
  std::vector<std::pair<uint32_t, uint64_t>> forgotten;  // f: NODE*COUNT,…
  uint32_t error = 0;                                    // E: an errno; then nothing follows
  uint32_t new_node = 0;                                 // N
  uint32_t new_handle = 0;                               // H
  uint64_t size = 0;                                     // S: of data, in the answer
  std::vector<std::pair<std::string, uint32_t>>
      entries;  // L: NAME*NODE,…: what a listing looked up

  std::string Text() const;
};

// What must be there before.
struct TraceFile {
  std::string path;  // Below the directory that the trace takes for its root.
  bool is_directory = false;
  uint64_t size = 0;
};

struct Trace {
  std::vector<TraceFile> files;  // Parents first.
  std::vector<TraceRequest> requests;
  uint32_t nodes = 2;    // One more than the largest number.
  uint32_t handles = 1;  // Likewise.
  uint64_t largest = 0;  // Bytes of data of a request.
};

// Reads a file of lines: "# …", "directory PATH", "file SIZE PATH", and requests.
absl::StatusOr<Trace> LoadTrace(const std::string& path);

// "lookup"; empty for what no trace holds.
absl::string_view OperationName(uint32_t opcode);

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_TRACE_H_
