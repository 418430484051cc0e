#include "tests/conformance/check.h"

namespace postern::conformance {

std::vector<Check> AllChecks() {
  std::vector<Check> checks;
  AddNameChecks(checks);
  AddTypeChecks(checks);
  AddRenameChecks(checks);
  return checks;
}

}  // namespace postern::conformance
