#include "worker/fuse/decode_helpers.h"

#include <fcntl.h>
#include <limits.h>

#include "common/path_component.h"

namespace postern {

ErrnoOrVoid TakeName(FuseArguments& arguments, std::string* field) {
  const auto name = arguments.TakeString();
  if (!name) return Errno(EINVAL);
  POSTERN_ASSIGN_OR_RETURN(const PathComponent component, PathComponent::Parse(*name));
  *field = component.str();
  return {};
}

ErrnoOrVoid TakeNameOrDot(FuseArguments& arguments, std::string* field) {
  FuseArguments ahead = arguments;
  const auto name = ahead.TakeString();
  if (!name || !IsDotName(*name)) return TakeName(arguments, field);
  arguments = ahead;
  *field = *name;
  return {};
}

ErrnoOrVoid TakeAttributeName(FuseArguments& arguments, std::string* field) {
  const auto name = arguments.TakeString();
  if (!name) return Errno(EINVAL);
  if (name->empty() || name->size() > XATTR_NAME_MAX) return Errno(ERANGE);
  *field = *name;
  return {};
}

uint32_t OpenFlags(const DecodeContext& context, uint32_t flags) {
  // To write a part of a page back, the guest's page cache reads the rest of it first.
  if (context.session.enabled(FUSE_WRITEBACK_CACHE) && (flags & O_ACCMODE) == O_WRONLY) {
    flags = (flags & ~uint32_t{O_ACCMODE}) | O_RDWR;
  }
  return flags;
}

}  // namespace postern
