// Somebody else who wants the processors.
#ifndef POSTERN_TESTS_BENCH_NEIGHBOURS_H_
#define POSTERN_TESTS_BENCH_NEIGHBOURS_H_

#include <absl/status/status.h>
#include <sys/types.h>

#include <vector>

namespace postern::bench {

// Processes that do nothing but compute, as other guests on a crowded host do. They end with this
// object, or with the thread that started them.
class Neighbours {
 public:
  Neighbours() = default;
  Neighbours(const Neighbours&) = delete;
  Neighbours& operator=(const Neighbours&) = delete;
  ~Neighbours();

  // `count` of them, all on `cpu`, or where the scheduler puts them (-1). Call it while the process
  // has one thread.
  absl::Status Start(int count, int cpu);

 private:
  std::vector<pid_t> processes_;
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_NEIGHBOURS_H_
