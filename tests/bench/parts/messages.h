// A lookup as the parts that are measured see it.
#ifndef POSTERN_TESTS_BENCH_PARTS_MESSAGES_H_
#define POSTERN_TESTS_BENCH_PARTS_MESSAGES_H_

#include <sys/stat.h>

#include <cstdint>

#include "proto/rpc.pb.h"

namespace postern::bench {

inline constexpr uint64_t kNode = (uint64_t{3} << 32) | 12345;
inline constexpr char kName[] = "file-004711";

inline void FillEntry(rpc::Entry& entry) {
  entry.set_node_id(kNode);
  rpc::Attributes& attributes = *entry.mutable_attributes();
  attributes.set_ino(1234567);
  attributes.set_size(4096);
  attributes.set_blocks(8);
  attributes.set_atime_seconds(1'700'000'000);
  attributes.set_mtime_seconds(1'700'000'000);
  attributes.set_ctime_seconds(1'700'000'000);
  attributes.set_atime_nanoseconds(123'456'789);
  attributes.set_mtime_nanoseconds(123'456'789);
  attributes.set_ctime_nanoseconds(123'456'789);
  attributes.set_mode(S_IFREG | 0644);
  attributes.set_nlink(1);
  attributes.set_block_size(4096);
}

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_PARTS_MESSAGES_H_
