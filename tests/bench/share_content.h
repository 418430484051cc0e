// What lies in the shared directory while it is measured.
#ifndef POSTERN_TESTS_BENCH_SHARE_CONTENT_H_
#define POSTERN_TESTS_BENCH_SHARE_CONTENT_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace postern::bench {

inline constexpr char kDataFile[] = "data";  // With an attribute "user.postern".
inline constexpr uint64_t kDataBytes = uint64_t{64} << 20;
inline constexpr char kAttributeName[] = "user.postern";
inline constexpr char kAttributeValue[] = "measured";

inline constexpr char kNamesDirectory[] = "names";  // FileName(0) to FileName(kNames - 1), empty.
inline constexpr uint64_t kNames = 10'000;
inline constexpr char kScratchDirectory[] = "scratch";  // Empty; for what is made and removed.

std::string FileName(uint64_t number);

// The data file's content at an offset that is a multiple of 8. The first and the last word of each
// page tell where it is; the others are alike in all pages, so that a buffer once filled is another
// part of the file as soon as those two are right.
inline constexpr uint64_t kDataPageBytes = 4096;
inline uint64_t WordAt(uint64_t offset) {
  const uint64_t within = offset % kDataPageBytes;
  const bool tells = within == 0 || within == kDataPageBytes - sizeof(uint64_t);
  return ((tells ? offset : within) + 1) * 0x9e3779b97f4a7c15U;
}
// Writes of the same content, so that reads stay checkable.
void FillData(uint64_t offset, std::span<std::byte> bytes);
// Makes filled bytes those of another offset; both begin and end with a page.
void MoveData(uint64_t offset, std::span<std::byte> bytes);
// The first and the last word.
bool IsData(uint64_t offset, std::span<const std::byte> bytes);

absl::Status PrepareShare(const std::string& share);
// Whether the data file has its attribute: tmpfs has none of users before Linux 6.6.
bool HasAttribute(const std::string& share);
// `count` more empty files, in the directory "many".
inline constexpr char kManyDirectory[] = "many";
absl::Status PrepareManyFiles(const std::string& share, uint64_t count);

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_SHARE_CONTENT_H_
