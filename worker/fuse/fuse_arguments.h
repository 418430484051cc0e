// The arguments of one FUSE request, as a parser reads them.
#ifndef POSTERN_WORKER_FUSE_FUSE_ARGUMENTS_H_
#define POSTERN_WORKER_FUSE_FUSE_ARGUMENTS_H_

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace postern {

// Reads a private copy of the argument bytes from front to back; never guest memory itself. After a
// failed read nothing more can be read, so that a decoder which forgets a check can't limp on with
// what follows.
class FuseArguments {
 public:
  explicit FuseArguments(std::span<const std::byte> bytes) : rest_(bytes) {}

  // The next structure, copied.
  template <typename T>
  std::optional<T> Take() {
    static_assert(std::is_trivially_copyable_v<T>);
    if (rest_.size() < sizeof(T)) return Fail();
    T value;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }

  // Like Take() of a T whose tail older guests don't send: at least `minimum` bytes, zeros for the
  // rest.
  template <typename T>
  std::optional<T> TakeAtLeast(size_t minimum) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (rest_.size() < minimum) return Fail();
    T value{};
    const size_t size = rest_.size() < sizeof(T) ? rest_.size() : sizeof(T);
    std::memcpy(&value, rest_.data(), size);
    rest_ = rest_.subspan(size);
    return value;
  }

  // The bytes up to the next NUL, which is consumed and not part of the result.
  std::optional<std::string_view> TakeString() {
    const void* nul = rest_.empty() ? nullptr : std::memchr(rest_.data(), 0, rest_.size());
    if (nul == nullptr) return Fail();
    // Safe because bytes may be seen as characters.
    const auto* begin = reinterpret_cast<const char*>(rest_.data());
    const std::string_view text(begin, static_cast<size_t>(static_cast<const char*>(nul) - begin));
    rest_ = rest_.subspan(text.size() + 1);
    return text;
  }

  // The next `size` bytes.
  std::optional<std::span<const std::byte>> TakeBytes(size_t size) {
    if (rest_.size() < size) return Fail();
    const auto bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return bytes;
  }

  bool AtEnd() const { return !failed_ && rest_.empty(); }
  size_t remaining() const { return rest_.size(); }

 private:
  std::nullopt_t Fail() {
    failed_ = true;
    rest_ = {};
    return std::nullopt;
  }

  std::span<const std::byte> rest_;
  bool failed_ = false;
};

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_FUSE_ARGUMENTS_H_
