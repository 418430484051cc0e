// A name within one directory.
#ifndef POSTERN_COMMON_PATH_COMPONENT_H_
#define POSTERN_COMMON_PATH_COMPONENT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "common/errno_or.h"

namespace postern {

// FUSE_NAME_MAX of Linux's fs/fuse/fuse_i.h. Filesystems that count characters (NTFS, exFAT, CIFS)
// have names of more than NAME_MAX bytes; which are too long is theirs to say.
inline constexpr size_t kMaxNameBytes = 1024;

// "." or "..": no component, though a client may look them up.
inline bool IsDotName(std::string_view name) { return name == "." || name == ".."; }

// One checked path component: 1 to kMaxNameBytes bytes of any encoding, no '/', no NUL, not "." and
// not "..". Only Parse() makes one, so a function that takes a PathComponent can hand it to a …at()
// system call without leaving the directory (symlinks aside).
class PathComponent {
 public:
  // EINVAL for a name that breaks the rules above, ENAMETOOLONG for one that is too long.
  static ErrnoOr<PathComponent> Parse(std::string_view name);

  PathComponent(const PathComponent& other) : PathComponent(other.str()) {}
  PathComponent& operator=(const PathComponent& other) {
    Assign(other.str());
    return *this;
  }
  ~PathComponent() = default;

  const char* c_str() const { return name_.data(); }
  std::string_view str() const { return {name_.data(), size_}; }

 private:
  // Precondition: it is short enough.
  explicit PathComponent(std::string_view name) { Assign(name); }

  void Assign(std::string_view name) {
    size_ = static_cast<uint16_t>(name.size());
    std::memmove(name_.data(), name.data(), name.size());
    name_[name.size()] = '\0';
  }

  // Here and not in a std::string: most operations check a name, and none is to allocate for it.
  uint16_t size_;
  std::array<char, kMaxNameBytes + 1> name_;
};

}  // namespace postern

#endif  // POSTERN_COMMON_PATH_COMPONENT_H_
