// How many files the guest may make the broker know.
#ifndef POSTERN_BROKER_INODES_INODE_BUDGET_H_
#define POSTERN_BROKER_INODES_INODE_BUDGET_H_

#include <atomic>
#include <cstddef>

#include "common/limit_notice.h"
#include "common/logging.h"

namespace postern {

// Bounds the broker's memory: an inode that is known by its handle costs no descriptor, but some
// 165 bytes. One for all sessions: an operation that is stuck keeps its session, and the guest can
// begin any number of new ones. Thread-safe.
class InodeBudget {
 public:
  // 0: no limit.
  explicit InodeBudget(size_t limit) : limit_(limit) {}
  InodeBudget(const InodeBudget&) = delete;
  InodeBudget& operator=(const InodeBudget&) = delete;

  size_t limit() const { return limit_; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }

  // False if nothing is left.
  bool Take() {
    if (used_.fetch_add(1, std::memory_order_relaxed) < limit_ || limit_ == 0) return true;
    used_.fetch_sub(1, std::memory_order_relaxed);
    if (notice_.Hit()) {
      LOG(WARNING) << "the guest knows " << limit_
                   << " files, the most that --max-inodes allows: no more until it forgets some";
    }
    return false;
  }
  void GiveBack(size_t count) {
    const size_t left = used_.fetch_sub(count, std::memory_order_relaxed) - count;
    if (left <= limit_ - limit_ / 8) notice_.Recovered();
  }

  // One file of it, or of no budget at all: given back on destruction, unless it is kept.
  class Share {
   public:
    // Takes one, and may log. `budget` is borrowed; null: there is always one.
    explicit Share(InodeBudget* budget)
        : budget_(budget), taken_(budget == nullptr || budget->Take()) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() {
      if (taken_ && budget_ != nullptr) budget_->GiveBack(1);
    }

    // Whether there was one.
    explicit operator bool() const { return taken_; }
    // From here on it is the caller's to give back.
    void Keep() { taken_ = false; }

   private:
    InodeBudget* const budget_;
    bool taken_;
  };

 private:
  const size_t limit_;
  std::atomic<size_t> used_{0};
  LimitNotice notice_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_INODE_BUDGET_H_
