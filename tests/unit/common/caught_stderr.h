// What is written to stderr meanwhile.
#ifndef POSTERN_TESTS_UNIT_COMMON_CAUGHT_STDERR_H_
#define POSTERN_TESTS_UNIT_COMMON_CAUGHT_STDERR_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace postern {

// The first line or so that `body` writes: no more than fits into a pipe.
template <typename Body>
std::string CaughtStderr(Body&& body) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const int saved = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  std::forward<Body>(body)();
  dup2(saved, STDERR_FILENO);
  close(saved);
  char text[4096];
  const ssize_t size = read(ends[0], text, sizeof(text));
  close(ends[0]);
  return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_COMMON_CAUGHT_STDERR_H_
