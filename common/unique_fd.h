// Ownership of a file descriptor. `UniqueFd` owns, a plain `int fd` borrows.
#ifndef POSTERN_COMMON_UNIQUE_FD_H_
#define POSTERN_COMMON_UNIQUE_FD_H_

#include <utility>

namespace postern {

// Owns one file descriptor, or none. Move-only; closes on destruction. Destroy it outside of locks:
// close(2) may block.
class UniqueFd {
 public:
  UniqueFd() = default;
  // Takes ownership of `fd`; -1 means none.
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  // The descriptor, still owned here; -1 if there is none.
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }

  // Gives the ownership to the caller.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  // Closes what is owned and takes `fd` instead.
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace postern

#endif  // POSTERN_COMMON_UNIQUE_FD_H_
