#include "tests/bench/share_content.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "common/errno_or.h"
#include "common/unique_fd.h"

namespace postern::bench {
namespace {

constexpr uint64_t kBlockBytes = 64 * 1024;

absl::Status Failed(const std::string& what) {
  return absl::InternalError(what + ": " + Errno::Last().Message());
}

absl::Status MakeFiles(const std::string& directory, uint64_t count) {
  if (mkdir(directory.c_str(), 0755) < 0) return Failed(directory);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string path = directory + "/" + FileName(i);
    if (!UniqueFd(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644))) return Failed(path);
  }
  return absl::OkStatus();
}

}  // namespace

std::string FileName(uint64_t number) {
  if (number >= 1'000'000) return "file-" + std::to_string(number);
  std::string name = "file-000000";  // Short enough to lie within the object.
  for (size_t at = name.size(); number > 0; number /= 10) {
    name[--at] = static_cast<char>('0' + number % 10);
  }
  return name;
}

void FillData(uint64_t offset, std::span<std::byte> bytes) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(uint64_t)) {
    const uint64_t word = WordAt(offset + at);
    std::memcpy(bytes.data() + at, &word, sizeof(word));
  }
}

void MoveData(uint64_t offset, std::span<std::byte> bytes) {
  for (size_t at = 0; at < bytes.size(); at += kDataPageBytes) {
    constexpr size_t kLast = kDataPageBytes - sizeof(uint64_t);
    for (const size_t word_at : {at, at + kLast}) {
      const uint64_t word = WordAt(offset + word_at);
      std::memcpy(bytes.data() + word_at, &word, sizeof(word));
    }
  }
}

bool IsData(uint64_t offset, std::span<const std::byte> bytes) {
  const auto word = [bytes](size_t at) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    return value;
  };
  const size_t last = bytes.size() - sizeof(uint64_t);
  return word(0) == WordAt(offset) && word(last) == WordAt(offset + last);
}

absl::Status PrepareShare(const std::string& share) {
  const std::string path = share + "/" + kDataFile;
  std::ofstream file(path, std::ios::binary);
  std::vector<std::byte> block(kBlockBytes);
  for (uint64_t offset = 0; offset < kDataBytes; offset += kBlockBytes) {
    FillData(offset, block);
    // Safe because bytes may be seen as characters.
    file.write(reinterpret_cast<const char*>(block.data()), kBlockBytes);
  }
  file.close();
  if (!file) return Failed("writing " + path);
  if (setxattr(path.c_str(), kAttributeName, kAttributeValue, std::strlen(kAttributeValue), 0) <
          0 &&
      errno != ENOTSUP) {
    return Failed("an extended attribute of " + path);
  }
  if (auto status = MakeFiles(share + "/" + kNamesDirectory, kNames); !status.ok()) return status;
  return MakeFiles(share + "/" + kScratchDirectory, 0);
}

bool HasAttribute(const std::string& share) {
  return getxattr((share + "/" + kDataFile).c_str(), kAttributeName, nullptr, 0) >= 0;
}

absl::Status PrepareManyFiles(const std::string& share, uint64_t count) {
  return MakeFiles(share + "/" + kManyDirectory, count);
}

}  // namespace postern::bench
