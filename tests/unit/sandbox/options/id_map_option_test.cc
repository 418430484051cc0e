#include "sandbox/options/id_map_option.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// "inside outside count", or the error.
std::string Range(std::string_view text) {
  const auto range = ParseIdMapRange(text);
  if (!range.ok()) return "error: " + Text(range.status());
  return std::to_string(range->inside) + " " + std::to_string(range->outside) + " " +
         std::to_string(range->count);
}

TEST(IdMapOptionTest, ReadsInsideOutsideCount) {
  EXPECT_EQ(Range(":0:100000:65536:"), "0 100000 65536");
  EXPECT_EQ(Range("/0/4294967295/1/"), "0 4294967295 1");
  EXPECT_EQ(Range(" 0 1 0 "), "0 1 0");
  EXPECT_EQ(Range(":+0:1:1:"), "0 1 1");
}

TEST(IdMapOptionTest, RefusesAnotherShape) {
  for (const char* text : {"", ":", "::", ":0:1:1",
                           "0:1:1:", ":0:1:", ":0:1:1:2:", "::0:1:1:", ":0:1:1::0:1:1:", "a0a1a1a",
                           "\xc3\xa9"
                           "0\xc3\xa9"
                           "1\xc3\xa9"
                           "1\xc3\xa9"}) {
    EXPECT_THAT(Range(text), StartsWith("error: ")) << text;
  }
  EXPECT_THAT(Range(":0:1:1:2:"), HasSubstr("not of the form ':INSIDE:OUTSIDE:COUNT:'"));
}

TEST(IdMapOptionTest, RefusesWhatIsNoId) {
  for (const char* text : {":a:1:1:", ": 0:1:1:", ":-1:1:1:", ":0:1:4294967296:", ":0/1:1:1:"}) {
    EXPECT_THAT(Range(text), HasSubstr("is no number of an id")) << text;
  }
}

}  // namespace
}  // namespace postern
