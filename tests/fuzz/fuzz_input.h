// Taking a fuzzer's input apart.
#ifndef POSTERN_TESTS_FUZZ_FUZZ_INPUT_H_
#define POSTERN_TESTS_FUZZ_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>

// What must hold whatever the input is. Aborts, which is a finding.
#define POSTERN_HOLDS(condition)                                                         \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: doesn't hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

namespace postern {

// Reads from front to back; zeros where the input has ended.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(std::as_bytes(std::span(data, size))) {}

  template <typename T>
  T Take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    const auto bytes = TakeBytes(sizeof(T));
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  // At most `size` bytes.
  std::span<const std::byte> TakeBytes(size_t size) {
    const auto bytes = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(bytes.size());
    return bytes;
  }
  std::span<const std::byte> TakeRest() { return TakeBytes(rest_.size()); }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_FUZZ_FUZZ_INPUT_H_
