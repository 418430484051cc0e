// postern-watch REPORT COMMAND...   runs a daemon, and adds to REPORT which rows it used
// postern-watch --check REPORT      prints what REPORT says; fails if a row is too many or too few
#include <iostream>
#include <string>
#include <vector>

#include "tests/integration/rows/row_report.h"
#include "tests/integration/rows/system_call_watch.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 2) {
    std::cerr << "usage: postern-watch REPORT COMMAND... | --check REPORT\n";
    return 2;
  }
  postern::RowReport report;
  if (arguments[0] == "--check") {
    if (!report.Add(arguments[1])) {
      std::cerr << "can't read " << arguments[1] << "\n";
      return 2;
    }
    return report.Judge() ? 0 : 1;
  }
  postern::SystemCallWatch watch(report);
  const int status = watch.Run({arguments.begin() + 1, arguments.end()});
  if (status < 0) {
    std::cerr << "can't watch " << arguments[1] << "\n";
    return 126;
  }
  if (!report.AppendTo(arguments[0])) {
    std::cerr << "can't write " << arguments[0] << "\n";
    return 126;
  }
  return status;
}
