// FUSE's wire format for tests: arguments put together by hand, messages compared.
#ifndef POSTERN_TESTS_UNIT_WORKER_FUSE_BYTES_H_
#define POSTERN_TESTS_UNIT_WORKER_FUSE_BYTES_H_

#include <gmock/gmock.h>
#include <google/protobuf/message_lite.h>
#include <linux/fuse.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace postern {

// Bytes, one part after the other.
class FuseBytes {
 public:
  FuseBytes() = default;

  template <typename T>
  FuseBytes& Add(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Raw(std::as_bytes(std::span(&value, 1)));
  }
  FuseBytes& Raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  // Without a NUL.
  FuseBytes& Text(std::string_view text) {
    return Raw(std::as_bytes(std::span(text.data(), text.size())));
  }
  // With a NUL.
  FuseBytes& Name(std::string_view name) { return Text(name).Zeros(1); }
  FuseBytes& Zeros(size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }

  size_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }
  // All but the last `count` bytes.
  std::span<const std::byte> Without(size_t count) const {
    return std::span(bytes_).first(bytes_.size() - count);
  }

 private:
  std::vector<std::byte> bytes_;
};

inline std::string ToString(std::span<const std::byte> bytes) {
  // Safe because bytes may be seen as characters.
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// The T that `bytes` begin with; they are long enough.
template <typename T>
T ReadAs(std::span<const std::byte> bytes, size_t offset = 0) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value{};
  EXPECT_GE(bytes.size(), offset + sizeof(T));
  if (bytes.size() >= offset + sizeof(T)) {
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
  }
  return value;
}

// That a protobuf message has the same fields. The lite runtime can compare only their encoding,
// which is the same for equal messages without maps and unknown fields.
MATCHER_P(IsMessage, expected, "") {
  const std::string want = expected.SerializeAsString();
  const std::string have = arg.SerializeAsString();
  *result_listener << "encoded " << testing::PrintToString(have) << " instead of "
                   << testing::PrintToString(want);
  return have == want;
}

// That the bytes are exactly those of another sequence.
MATCHER_P(AreBytes, expected, "") { return ToString(arg) == ToString(expected); }

// INIT's arguments as Linux 6.12 sends them, but for the flags that don't matter here.
inline fuse_init_in InitStruct(uint32_t major, uint32_t minor, uint32_t flags = 0,
                               uint32_t flags2 = 0) {
  fuse_init_in init{};
  init.major = major;
  init.minor = minor;
  init.max_readahead = 0x20000;
  init.flags = flags;
  init.flags2 = flags2;
  return init;
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_FUSE_BYTES_H_
