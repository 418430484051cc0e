// From a name in a directory to an inode.
#ifndef POSTERN_BROKER_OPERATIONS_LOOKUP_H_
#define POSTERN_BROKER_OPERATIONS_LOOKUP_H_

#include <sys/stat.h>

#include <cstdint>
#include <string_view>

#include "broker/operations/filesystem.h"
#include "common/path_component.h"
#include "common/unique_fd.h"

namespace postern {

// Opens `name` in `directory` without leaving it: no "..", no symlink followed (with O_PATH the
// symlink itself is opened), no magic link. openat2(2), Linux 5.6.
ErrnoOr<UniqueFd> OpenBeneath(int directory, const PathComponent& name, int flags, mode_t mode);

// Whether the file of a name is likely to be known. Says what costs less, and changes no answer.
enum class Expect { kKnown, kNew };

// What the calling thread's last lookups of single names say.
Expect ExpectFromLast(const OperationContext& context);

// The inode that `name` is in `parent`, its lookup count raised by one, and its attributes. As
// expected, one that is known costs a statx(2) (and a name_to_handle_at(2), if it is known by its
// handle and not in the cache), and one that isn't costs an openat2(2), a statx(2) and, where
// handles are used and the cache is full, a name_to_handle_at(2).
ErrnoOr<InodeRef> LookUp(OperationContext& context, const PinnedInode& parent,
                         const PathComponent& name, struct statx& status, Expect expect);

// The directory itself, or the one that it lies in, as LOOKUP of "." and of ".." (`name`) means
// them: its lookup count raised by one, and its attributes. The root's ".." is the root. Nothing is
// reached that the guest doesn't know already, wherever the host has moved the directory to:
// ENOENT. ENOTDIR if it is none.
ErrnoOr<InodeRef> LookUpDot(OperationContext& context, const PinnedInode& directory,
                            std::string_view name, struct statx& status);

// What an inode takes of the budgets. Whoever makes a file has it before: a guest that is told
// ENFILE must find nothing made, or its next try fails with EEXIST.
struct InodeRoom {
  Budget::Share inode;  // Of --max-inodes.
  BudgetedFd path;  // Where no handle leads to the file. Without a descriptor, until it has one.
};

// For any file. ENFILE if nothing is left.
ErrnoOr<InodeRoom> TakeRoom(OperationContext& context);

// LookUp() of a name that has just been made. Takes nothing of the budgets but `room`.
ErrnoOr<InodeRef> LookUpNew(OperationContext& context, const PinnedInode& parent,
                            const PathComponent& name, InodeRoom room, struct statx& status);

// The inode that room.path (O_PATH) is open on, its lookup count raised by one, and its attributes.
// `parent` is where it was found or made. What `room` lacks is taken if it is needed. What isn't
// needed of it goes to the cache or is given back; with `keep_descriptor` all of it is used if the
// inode is new, for a file that no handle leads to because it has no name (O_TMPFILE).
ErrnoOr<InodeRef> AddInode(OperationContext& context, const Inode& parent, InodeRoom room,
                           struct statx& status, bool keep_descriptor = false);
// The same for a new file that `file` is open on, O_PATH or not. A descriptor for the inode is made
// only if no handle leads to it.
ErrnoOr<InodeRef> AddOpened(OperationContext& context, const Inode& parent, int file,
                            InodeRoom room, struct statx& status);

// Gives back the count of one LookUp() whose entry isn't answered after all.
void UndoLookUp(OperationContext& context, const InodeRef& inode);

}  // namespace postern

#endif  // POSTERN_BROKER_OPERATIONS_LOOKUP_H_
