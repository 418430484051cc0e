#include "sandbox/launcher/executables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/build_info.h"

namespace postern {
namespace {

TEST(ExecutableCandidatesTest, LooksBesideThenInTheBuildTreeThenWhereInstalled) {
  EXPECT_THAT(ExecutableCandidates("/build/sandbox/posternd", "worker"),
              testing::ElementsAre("/build/sandbox/postern-worker", "/build/worker/postern-worker",
                                   std::string(kLibexecDir) + "/postern-worker"));
}

TEST(ExecutableCandidatesTest, BearsAProgramInTheRootDirectory) {
  EXPECT_THAT(ExecutableCandidates("/posternd", "broker"),
              testing::ElementsAre("/postern-broker", "/broker/postern-broker",
                                   std::string(kLibexecDir) + "/postern-broker"));
}

}  // namespace
}  // namespace postern
