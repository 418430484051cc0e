// ParseOptions() with what each test of it expects.
#ifndef POSTERN_TESTS_UNIT_SANDBOX_PARSED_OPTIONS_H_
#define POSTERN_TESTS_UNIT_SANDBOX_PARSED_OPTIONS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "sandbox/options/options.h"

namespace postern {

using Arguments = std::vector<std::string>;

// The least that posternd starts with, and what a test adds.
inline Arguments With(const Arguments& added) {
  Arguments arguments = {"--shared-dir", "/share", "--socket-path", "/run/s"};
  arguments.insert(arguments.end(), added.begin(), added.end());
  return arguments;
}

inline Options Parsed(const Arguments& arguments) {
  auto result = ParseOptions(arguments);
  if (const auto* exit = std::get_if<EarlyExit>(&result)) {
    ADD_FAILURE() << exit->status << ": " << exit->text;
    return {};
  }
  return std::get<Options>(result);
}

inline EarlyExit Exit(const Arguments& arguments) {
  auto result = ParseOptions(arguments);
  if (const auto* exit = std::get_if<EarlyExit>(&result)) return *exit;
  ADD_FAILURE() << "accepted";
  return {-1, ""};
}

// The text of a usage error; checks that it is one.
inline std::string UsageError(const Arguments& arguments) {
  const EarlyExit exit = Exit(arguments);
  EXPECT_EQ(exit.status, 2);
  EXPECT_THAT(exit.text, testing::AllOf(testing::StartsWith("error: "),
                                        testing::HasSubstr("\nUsage: posternd ")));
  return exit.text;
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_SANDBOX_PARSED_OPTIONS_H_
