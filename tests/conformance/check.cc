#include "tests/conformance/check.h"

namespace postern::conformance {

std::vector<Check> AllChecks() {
  std::vector<Check> checks;
  AddNameChecks(checks);
  AddTypeChecks(checks);
  AddRenameChecks(checks);
  AddCreationChecks(checks);
  AddAttributeChecks(checks);
  AddTimeChecks(checks);
  AddSetIdChecks(checks);
  AddDataChecks(checks);
  AddSpaceChecks(checks);
  AddUnlinkedChecks(checks);
  AddDirectoryChecks(checks);
  AddPermissionChecks(checks);
  AddXattrChecks(checks);
  AddAclChecks(checks);
  return checks;
}

}  // namespace postern::conformance
