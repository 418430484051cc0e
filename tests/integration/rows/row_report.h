// Which rows of the policies were used: collected, written to a file, and judged.
#ifndef POSTERN_TESTS_INTEGRATION_ROWS_ROW_REPORT_H_
#define POSTERN_TESTS_INTEGRATION_ROWS_ROW_REPORT_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sandbox/policies/seccomp_policies.h"
#include "tests/integration/rows/system_call_watch.h"

namespace postern {

class RowReport final : public SealedCallListener {
 public:
  RowReport();

  void OnSealed(pid_t process, const std::string& name) override;
  void OnCall(pid_t process, const SystemCall& call) override;

  // One line for each used row and each refused call. False if the file can't be written or read.
  bool AppendTo(const std::string& path) const;
  bool Add(const std::string& path);

  // Prints the unused rows and the refused calls. True if every row of RowUse::kAlways was used and
  // no call was refused.
  bool Judge() const;

 private:
  struct Process {
    std::string name;
    SeccompPolicy policy;
    std::set<size_t> used;
    std::set<std::string> refused;
  };
  Process* Find(const std::string& name);

  std::vector<Process> processes_;
  std::map<pid_t, Process*> by_pid_;  // Into processes_, which doesn't change.
};

}  // namespace postern

#endif  // POSTERN_TESTS_INTEGRATION_ROWS_ROW_REPORT_H_
