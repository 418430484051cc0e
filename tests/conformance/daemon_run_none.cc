// For the program that goes into guests, which has no front end.
#include <iostream>

#include "tests/conformance/daemon_run.h"

namespace postern::conformance {

bool RunAgainstDaemon(const std::vector<std::string>&, const std::string&, const RunOptions&) {
  std::cerr << "--daemon: this program was built without a front end\n";
  return false;
}

}  // namespace postern::conformance
