// Arithmetic and casts that fail instead of wrapping.
#ifndef POSTERN_COMMON_CHECKED_H_
#define POSTERN_COMMON_CHECKED_H_

#include <cstdlib>
#include <optional>
#include <utility>

namespace postern {

// `value` as a To, if it is in To's range.
template <typename To, typename From>
constexpr std::optional<To> NarrowOrNone(From value) {
  if (!std::in_range<To>(value)) return std::nullopt;
  return static_cast<To>(value);
}

// For values that our own code has bounded; aborts if it hasn't. Never use it on what a peer sent.
template <typename To, typename From>
constexpr To Narrow(From value) {
  if (!std::in_range<To>(value)) std::abort();
  return static_cast<To>(value);
}

// a + b, or nothing on overflow.
template <typename Integer>
constexpr std::optional<Integer> CheckedAdd(Integer a, Integer b) {
  Integer sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

}  // namespace postern

#endif  // POSTERN_COMMON_CHECKED_H_
