#include "common/path_component.h"

namespace postern {

ErrnoOr<PathComponent> PathComponent::Parse(std::string_view name) {
  if (name.size() > kMaxNameBytes) return Errno(ENAMETOOLONG);
  if (name.empty() || IsDotName(name)) return Errno(EINVAL);
  // A '/' would make one component into a path; a NUL would make the kernel see another name than
  // the one checked.
  if (name.find('/') != std::string_view::npos) return Errno(EINVAL);
  if (name.find('\0') != std::string_view::npos) return Errno(EINVAL);
  return PathComponent(name);
}

}  // namespace postern
