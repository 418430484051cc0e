// The guest's open(2) flags.
#ifndef POSTERN_BROKER_OPERATIONS_OPEN_FLAGS_H_
#define POSTERN_BROKER_OPERATIONS_OPEN_FLAGS_H_

#include <cstdint>

#include "broker/operations/broker_options.h"
#include "common/errno_or.h"

namespace postern {

// The flags that the broker passes on. Masked out are O_CREAT, O_EXCL, O_TMPFILE and O_PATH, which
// would make it another operation; O_APPEND, since a WRITE says itself whether it
// appends, and write-back of the guest's page cache knows its offset; O_NOFOLLOW, since
// reopening follows a magic link; O_NOATIME and O_DIRECT, unless the options allow them; and
// whatever isn't known. EINVAL for the access mode 3, which Linux gives a meaning of its own. In a
// read-only share the result is always O_RDONLY, or an error as of CheckReadonlyOpen().
ErrnoOr<int> FileOpenFlags(uint32_t guest_flags, const FilesystemOptions& options);

// What virtiofsd answers to opening something with these flags in a read-only share: EROFS for
// anything but reading and for O_EXCL, EINVAL for O_TMPFILE and O_TRUNC.
ErrnoOrVoid CheckReadonlyOpen(uint32_t guest_flags);

}  // namespace postern

#endif  // POSTERN_BROKER_OPERATIONS_OPEN_FLAGS_H_
