// A name within one directory.
#ifndef POSTERN_COMMON_PATH_COMPONENT_H_
#define POSTERN_COMMON_PATH_COMPONENT_H_

#include <string>
#include <string_view>

#include "common/errno_or.h"

namespace postern {

// One checked path component: 1 to 255 bytes, no '/', no NUL, not "." and not "..". Only Parse()
// makes one, so a function that takes a PathComponent can hand it to a …at() system call without
// leaving the directory (symlinks aside).
class PathComponent {
 public:
  // EINVAL for a name that breaks the rules above, ENAMETOOLONG for one over 255 bytes.
  static ErrnoOr<PathComponent> Parse(std::string_view name);

  const char* c_str() const { return name_.c_str(); }
  const std::string& str() const { return name_; }

 private:
  explicit PathComponent(std::string_view name) : name_(name) {}

  std::string name_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_PATH_COMPONENT_H_
