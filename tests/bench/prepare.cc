#include "tests/bench/prepare.h"

#include "tests/bench/share_content.h"

namespace postern::bench {
namespace {

absl::Status Find(Lane& lane, const char* name, NodeId& found) {
  const auto entry = lane.client->Lookup(NodeId(FUSE_ROOT_ID), name);
  if (!entry.ok()) return Failed(name, entry.error());
  found = vmm::NodeOf(*entry);
  return absl::OkStatus();
}

}  // namespace

absl::Status FindDataFile(Lane& lane) { return Find(lane, kDataFile, lane.node); }

absl::Status FindDirectory(Lane& lane, const char* name) {
  return Find(lane, name, lane.directory);
}

}  // namespace postern::bench
