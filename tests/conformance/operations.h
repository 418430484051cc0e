// Operations on one path, for families of checks that try each of them on something.
#ifndef POSTERN_TESTS_CONFORMANCE_OPERATIONS_H_
#define POSTERN_TESTS_CONFORMANCE_OPERATIONS_H_

#include <span>
#include <string>

#include "tests/conformance/script.h"

namespace postern::conformance {

struct Operation {
  const char* name;
  bool opens;  // A fifo or a socket would do more than give its attributes.
  // `path` is what it is tried on. A file "other" is there to be linked or renamed.
  void (*run)(Script&, const std::string& path);
};

std::span<const Operation> Operations();

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_OPERATIONS_H_
