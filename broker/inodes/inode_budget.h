// How many files the guest may make the broker know.
#ifndef POSTERN_BROKER_INODES_INODE_BUDGET_H_
#define POSTERN_BROKER_INODES_INODE_BUDGET_H_

#include <cstddef>

#include "common/budget.h"
#include "common/logging.h"

namespace postern {

// Bounds the broker's memory: an inode that is known by its handle costs no descriptor, but some
// 165 bytes. One for all sessions: an operation that is stuck keeps its session, and the guest can
// begin any number of new ones. Thread-safe.
class InodeBudget : public Budget {
 public:
  // 0: no limit.
  explicit InodeBudget(size_t limit) : Budget(limit == 0 ? kNoLimit : limit) {}

  // None if nothing is left, which it may log.
  Share Take() {
    Share share = Budget::Take();
    if (!share && SaysSo()) {
      LOG(WARNING) << "the guest knows " << limit()
                   << " files, the most that --max-inodes allows: no more until it forgets some";
    }
    return share;
  }
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_INODE_BUDGET_H_
