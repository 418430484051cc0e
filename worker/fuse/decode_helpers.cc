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

ErrnoOrVoid TakeAttributeName(FuseArguments& arguments, std::string* field) {
  const auto name = arguments.TakeString();
  if (!name) return Errno(EINVAL);
  if (name->empty() || name->size() > XATTR_NAME_MAX) return Errno(ERANGE);
  *field = *name;
  return {};
}

uint32_t OpenFlags(const DecodeContext& context, uint32_t flags) {
  // A WRITE says itself whether it appends, and write-back of the guest's page cache knows its
  // offset: with the flag on the file it would go to the end all the same.
  flags &= ~uint32_t{O_APPEND};
  // To write a part of a page back, the guest's page cache reads the rest of it first.
  if (context.session.enabled(FUSE_WRITEBACK_CACHE) && (flags & O_ACCMODE) == O_WRONLY) {
    flags = (flags & ~uint32_t{O_ACCMODE}) | O_RDWR;
  }
  return flags;
}

}  // namespace postern
