// The floor: the workloads' operations as plain system calls of one process.
#ifndef POSTERN_TESTS_BENCH_NATIVE_H_
#define POSTERN_TESTS_BENCH_NATIVE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/unique_fd.h"

namespace postern::bench {

struct NativeLane {
  int root = -1;       // The shared directory.
  UniqueFd directory;  // The workload's own, opened at its first operation.
  UniqueFd file;
  std::vector<std::byte> data;  // Of the workload's size.
  uint64_t turn = 0;
  uint64_t random = 1;

  uint64_t Random(uint64_t bound) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    return (random >> 24) % bound;
  }
  // The directory `name` below the root, opened once; the file likewise, for reading and writing.
  int Directory(const char* name);
  int File(const char* name);
};

// Ends the program if a call of the floor failed: its figures would mean nothing.
void MustSucceed(bool success, const char* call);

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_NATIVE_H_
