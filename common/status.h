// absl::Status for the start: each error names the step that failed. Never crosses the RPC.
#ifndef POSTERN_COMMON_STATUS_H_
#define POSTERN_COMMON_STATUS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "common/errno_or.h"

namespace postern {

// "STEP: Permission denied". Call it on the line of the failed system call.
inline absl::Status ErrnoStatus(const std::string& step, int error = errno) {
  return absl::ErrnoToStatus(error, step);
}

// The same error, followed by what to do about it: "STEP: Permission denied (ADVICE)".
inline absl::Status WithAdvice(const absl::Status& status, const std::string& advice) {
  return absl::Status(status.code(), std::string(status.message().data(), status.message().size()) +
                                         " (" + advice + ")");
}

// What a person reads, without the status code's name.
inline std::string Text(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

// An error in the words of its author.
inline absl::Status ErrorStatus(const std::string& text) {
  return absl::FailedPreconditionError(text);
}

}  // namespace postern

// Returns the error of `expr` (an absl::Status) from the calling function, if there is one.
#define POSTERN_TRY(expr)                                                                     \
  do {                                                                                        \
    if (absl::Status postern_status_ = (expr); !postern_status_.ok()) return postern_status_; \
  } while (false)

// `POSTERN_TRY_ASSIGN(auto x, F());`: x is the value of F() (an absl::StatusOr), or the calling
// function returns its error.
#define POSTERN_TRY_ASSIGN(declaration, expr) \
  POSTERN_TRY_ASSIGN_IMPL(POSTERN_CONCAT(postern_status_or_, __LINE__), declaration, expr)
#define POSTERN_TRY_ASSIGN_IMPL(result, declaration, expr) \
  auto result = (expr);                                    \
  if (!result.ok()) return result.status();                \
  declaration = std::move(result).value()

#endif  // POSTERN_COMMON_STATUS_H_
