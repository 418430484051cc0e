// How much somebody may hold at one time.
#ifndef POSTERN_COMMON_BUDGET_H_
#define POSTERN_COMMON_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <limits>
#include <utility>

#include "common/limit_notice.h"

namespace postern {

// Counts what is held of something: descriptors, files, bytes. Never more than the limit is given
// out. Thread-safe. Takes no lock, and logs nothing by itself.
class Budget {
 public:
  static constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

  // A part of it, given back on destruction. Must not outlive the budget. Move-only.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), count_(other.count_) {}
    Share& operator=(Share&& other) noexcept {
      if (this != &other) {
        GiveBack();
        budget_ = std::exchange(other.budget_, nullptr);
        count_ = other.count_;
      }
      return *this;
    }
    ~Share() { GiveBack(); }

    // Whether it is one.
    explicit operator bool() const { return budget_ != nullptr; }
    // From here on it is the caller's to give back, with Budget::GiveBack().
    void Release() { budget_ = nullptr; }

   private:
    friend class Budget;
    Share(Budget* budget, size_t count) : budget_(budget), count_(count) {}
    void GiveBack() {
      if (budget_ != nullptr) budget_->GiveBack(count_);
    }

    Budget* budget_ = nullptr;
    size_t count_ = 0;
  };

  // What is taken from it is taken from `whole`, too, if there is one: that is borrowed.
  explicit Budget(size_t limit = kNoLimit, Budget* whole = nullptr)
      : limit_(limit), whole_(whole) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Before other threads know the budget.
  void set_limit(size_t limit) { limit_ = limit; }

  size_t limit() const { return limit_; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }

  // None if so much isn't left, here or in the whole.
  Share Take(size_t count = 1) {
    if (whole_ != nullptr && !whole_->Raise(count)) return Share();
    if (Raise(count)) return Share(this, count);
    if (whole_ != nullptr) whole_->Lower(count);
    return Share();
  }
  // What shares were released of.
  void GiveBack(size_t count) {
    Lower(count);
    if (whole_ != nullptr) whole_->Lower(count);
  }

  // After Take() has answered none: whether to log it. Once until well below the limit of the
  // whole, see LimitNotice.
  bool SaysSo() { return whole_ != nullptr ? whole_->SaysSo() : notice_.Hit(); }

 private:
  bool Raise(size_t count) {
    // Raise first, so that two threads can't both take the last one.
    const size_t before = used_.fetch_add(count, std::memory_order_relaxed);
    if (before <= limit_ && count <= limit_ - before) return true;
    used_.fetch_sub(count, std::memory_order_relaxed);
    return false;
  }
  void Lower(size_t count) {
    const size_t left = used_.fetch_sub(count, std::memory_order_relaxed) - count;
    if (left <= limit_ - limit_ / 4) notice_.Recovered();
  }

  // Constant once there are threads.
  size_t limit_;
  Budget* const whole_;

  std::atomic<size_t> used_{0};
  LimitNotice notice_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_BUDGET_H_
