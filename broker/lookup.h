// From a name in a directory to an inode.
#ifndef POSTERN_BROKER_LOOKUP_H_
#define POSTERN_BROKER_LOOKUP_H_

#include <sys/stat.h>

#include <cstdint>

#include "broker/filesystem.h"
#include "common/path_component.h"
#include "common/unique_fd.h"

namespace postern {

// Opens `name` in `directory` without leaving it: no "..", no symlink followed (with O_PATH the
// symlink itself is opened), no magic link. openat2(2), Linux 5.6.
ErrnoOr<UniqueFd> OpenBeneath(int directory, const PathComponent& name, int flags, mode_t mode);

// The inode that `name` is in `parent`, its lookup count raised by one, and its attributes. A known
// one costs a statx(2) (and a name_to_handle_at(2), where handles are used) and no open.
ErrnoOr<InodeRef> LookUp(OperationContext& context, const PinnedInode& parent,
                         const PathComponent& name, struct statx& status);

// The inode that `path` (O_PATH) is open on, its lookup count raised by one, and its attributes.
// `parent` is where it was found or made. What isn't needed of `path` is given back; with
// `keep_descriptor` all of it is used if the inode is new, for a file that no handle leads to
// because it has no name (O_TMPFILE).
ErrnoOr<InodeRef> AddInode(OperationContext& context, const Inode& parent, BudgetedFd path,
                           struct statx& status, bool keep_descriptor = false);

// Gives back the count of one LookUp() whose entry isn't answered after all.
void UndoLookUp(OperationContext& context, const InodeRef& inode);

}  // namespace postern

#endif  // POSTERN_BROKER_LOOKUP_H_
