// What the decoders share; not for others.
#ifndef POSTERN_WORKER_FUSE_DECODE_HELPERS_H_
#define POSTERN_WORKER_FUSE_DECODE_HELPERS_H_

#include <cstddef>
#include <string>

#include "common/errno_or.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {

// Of a mode: what chmod(2) takes.
inline constexpr uint32_t kPermissionBits = 07777;

// A directory entry's name into `field`. The broker checks it again; here it saves a round trip.
ErrnoOrVoid TakeName(FuseArguments& arguments, std::string* field);

// The same, or "." or "..", which the Windows driver looks up.
ErrnoOrVoid TakeNameOrDot(FuseArguments& arguments, std::string* field);

// An extended attribute's name into `field`. ERANGE if it is empty or longer than Linux knows any,
// as setxattr(2) has it.
ErrnoOrVoid TakeAttributeName(FuseArguments& arguments, std::string* field);

// Behind a name or a list there is nothing: bytes there would be a second meaning of the first.
inline ErrnoOrVoid RequireEnd(const FuseArguments& arguments) {
  if (!arguments.AtEnd()) return Errno(EINVAL);
  return {};
}

// The structure that the arguments begin with. What lies behind it is ignored: a later protocol may
// have more fields there, and drivers leave what they have there by chance.
template <typename T>
ErrnoOr<T> TakeStruct(FuseArguments& arguments) {
  const auto value = arguments.Take<T>();
  if (!value) return Errno(EINVAL);
  return *value;
}

// A handle that can't be told to the guest is one that it can't release: refused before there is
// one, or a guest with too small buffers would use up the descriptors.
inline ErrnoOrVoid RequireRoom(const DecodeContext& context, size_t reply_bytes) {
  if (context.reply_bytes < reply_bytes) return Errno(EINVAL);
  return {};
}

// The same for a file that is opened, made or not, and the room that it takes here.
inline ErrnoOrVoid RequireRoomForFile(const DecodeContext& context, size_t reply_bytes) {
  POSTERN_RETURN_IF_ERROR(RequireRoom(context, reply_bytes));
  return context.open_files.TakeRoom(context.notes.ticket);
}

// Whether the guest says when set-user-ID and set-group-ID bits are to go (killpriv v2); else it
// clears them by SETATTR, and nothing here does.
inline bool KillsPrivileges(const DecodeContext& context) {
  return context.session.enabled(FUSE_HANDLE_KILLPRIV_V2);
}

// The flags of OPEN, CREATE and TMPFILE as the broker is to use them.
uint32_t OpenFlags(const DecodeContext& context, uint32_t flags);

}  // namespace postern

#endif  // POSTERN_WORKER_FUSE_DECODE_HELPERS_H_
