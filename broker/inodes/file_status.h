// statx(2): what a file is, and what tells it from others.
#ifndef POSTERN_BROKER_INODES_FILE_STATUS_H_
#define POSTERN_BROKER_INODES_FILE_STATUS_H_

#include <sys/stat.h>

#include "broker/inodes/inode.h"
#include "common/errno_or.h"
#include "common/path_component.h"

namespace postern {

// What `fd` (O_PATH will do) is open on. `more` are statx(2) fields besides the usual ones.
ErrnoOrVoid StatDescriptor(int fd, struct statx& status, unsigned more = 0);
// What `name` is in `directory`: the symlink itself if it is one, and without mounting anything.
ErrnoOrVoid StatName(int directory, const PathComponent& name, struct statx& status);

InodeIdentity IdentityOf(const struct statx& status);

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_FILE_STATUS_H_
