// What becomes of a file whose last name goes.
#ifndef POSTERN_BROKER_OPERATIONS_DEPARTING_NAME_H_
#define POSTERN_BROKER_OPERATIONS_DEPARTING_NAME_H_

#include "broker/operations/filesystem.h"
#include "common/path_component.h"

namespace postern {

// A name that is about to go. The guest may know its file for longer: a working directory, a fifo
// in use, an O_PATH descriptor. A local filesystem answers for these, and most open no handle of a
// file without a name: so its descriptor is kept until the guest forgets it, as far as the cache of
// descriptors has room.
class DepartingName {
 public:
  // Before the name goes. Costs a statx(2), and an open if the file is known by its handle alone.
  DepartingName(OperationContext& context, const PinnedInode& parent, const PathComponent& name);

  // After it has gone.
  void Gone();

 private:
  OperationContext& context_;
  InodeRef inode_;  // None: nothing is to be kept.
  PathRef path_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_OPERATIONS_DEPARTING_NAME_H_
