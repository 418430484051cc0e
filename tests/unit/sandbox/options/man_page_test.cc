// The manual page and the table of options tell of the same options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "sandbox/options/option_table.h"

namespace postern {
namespace {

// "--tag" of ".It Fl -tag Ar tag"; both of ".It Fl V , Fl -version".
std::set<std::string> DescribedOptions() {
  std::set<std::string> names;
  std::ifstream page(POSTERN_MAN_PAGE);
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with(".It Fl ")) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word != "Fl") continue;
      words >> word;
      names.insert("-" + word);
    }
  }
  return names;
}

std::set<std::string> KnownOptions() {
  std::set<std::string> names;
  for (const OptionRow& row : OptionTable()) {
    std::istringstream list(row.name);
    for (std::string name; std::getline(list, name, ',');) names.insert(name);
  }
  return names;
}

TEST(ManPageTest, DescribesEveryOptionAndNoOther) {
  EXPECT_THAT(DescribedOptions(), testing::ContainerEq(KnownOptions()));
}

}  // namespace
}  // namespace postern
