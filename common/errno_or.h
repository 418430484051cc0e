// errno values as a type: what the broker answers and the guest sees.
#ifndef POSTERN_COMMON_ERRNO_OR_H_
#define POSTERN_COMMON_ERRNO_OR_H_

#include <cerrno>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace postern {

// A positive errno value. Anything outside 1..4095 (the kernel's MAX_ERRNO) becomes EIO, so that a
// failure can't turn into a success on its way.
class [[nodiscard]] Errno {
 public:
  explicit constexpr Errno(int value) : value_(value > 0 && value <= 4095 ? value : EIO) {}
  // The calling thread's errno. Call it on the line of the failed system call.
  static Errno Last() { return Errno(errno); }

  constexpr int value() const { return value_; }
  // "No such file or directory", for logs.
  std::string Message() const;

  friend constexpr bool operator==(Errno, Errno) = default;

 private:
  int value_;
};

// A value or the reason why there is none. T must not be Errno.
template <typename T>
class [[nodiscard]] ErrnoOr {
  static_assert(!std::is_same_v<T, Errno>);

 public:
  using ValueType = T;

  ErrnoOr(Errno error)
      : state_(std::in_place_index<1>, error) {}  // NOLINT: implicit for `return Errno(…)`
  template <typename U = T, typename = std::enable_if_t<std::is_convertible_v<U&&, T> &&
                                                        !std::is_same_v<std::decay_t<U>, Errno> &&
                                                        !std::is_same_v<std::decay_t<U>, ErrnoOr>>>
  ErrnoOr(U&& value)  // NOLINT: implicit for `return value`
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool ok() const { return state_.index() == 0; }
  // Precondition: !ok(); aborts otherwise.
  Errno error() const {
    if (ok()) std::abort();
    return std::get<1>(state_);
  }
  // 0 if ok.
  int errno_value() const { return ok() ? 0 : std::get<1>(state_).value(); }

  // Precondition: ok(); aborts otherwise.
  T& value() & { return Checked(state_); }
  const T& value() const& { return Checked(state_); }
  T&& value() && { return std::move(Checked(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  template <typename State>
  static auto& Checked(State& state) {
    if (state.index() != 0) std::abort();
    return *std::get_if<0>(&state);
  }

  std::variant<T, Errno> state_;
};

// Success, or the reason of the failure.
template <>
class [[nodiscard]] ErrnoOr<void> {
 public:
  using ValueType = void;

  ErrnoOr() = default;
  ErrnoOr(Errno error) : value_(error.value()) {}  // NOLINT: implicit for `return Errno(…)`

  bool ok() const { return value_ == 0; }
  Errno error() const {
    if (ok()) std::abort();
    return Errno(value_);
  }
  int errno_value() const { return value_; }

 private:
  int value_ = 0;
};

using ErrnoOrVoid = ErrnoOr<void>;

// The result of a system call that returns -1 and sets errno: its value, or errno.
template <typename Integer>
ErrnoOr<Integer> FromSyscall(Integer result) {
  if (result < 0) return Errno::Last();
  return result;
}
// The same where only success matters.
template <typename Integer>
ErrnoOrVoid CheckSyscall(Integer result) {
  if (result < 0) return Errno::Last();
  return {};
}

}  // namespace postern

#define POSTERN_CONCAT_INNER(a, b) a##b
#define POSTERN_CONCAT(a, b) POSTERN_CONCAT_INNER(a, b)

// Returns the error of `expr` (an ErrnoOr<void>) from the calling function, if there is one.
#define POSTERN_RETURN_IF_ERROR(expr)                               \
  do {                                                              \
    if (const auto postern_result_ = (expr); !postern_result_.ok()) \
      return postern_result_.error();                               \
  } while (false)

// `POSTERN_ASSIGN_OR_RETURN(auto x, F());`: x is F()'s value, or the calling function returns F()'s
// error.
#define POSTERN_ASSIGN_OR_RETURN(declaration, expr) \
  POSTERN_ASSIGN_OR_RETURN_IMPL(POSTERN_CONCAT(postern_or_, __LINE__), declaration, expr)
#define POSTERN_ASSIGN_OR_RETURN_IMPL(result, declaration, expr) \
  auto result = (expr);                                          \
  if (!result.ok()) return result.error();                       \
  declaration = std::move(result).value()

#endif  // POSTERN_COMMON_ERRNO_OR_H_
