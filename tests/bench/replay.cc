#include "tests/bench/replay.h"

#include <algorithm>

#include "common/checked.h"
#include "tests/bench/prepare.h"
#include "tests/vmm/fuse_requests.h"

namespace postern::bench {
namespace {

constexpr uint32_t kRoot = 1;
constexpr size_t kForgetsPerRequest = 64;

bool IsForget(const TraceRequest& request) {
  return request.opcode == FUSE_FORGET || request.opcode == FUSE_BATCH_FORGET;
}

uint32_t Argument32(const TraceRequest& request, size_t index) {
  return static_cast<uint32_t>(request.arguments[index]);
}

}  // namespace

Replay::Replay(const Trace& trace, NodeId root)
    : trace_(trace), places_(trace.nodes), nodes_(trace.nodes), handles_(trace.handles) {
  const auto seen = [this](uint32_t parent, std::string_view name, uint32_t node) {
    if (node == 0 || places_[node].parent != 0) return;
    places_[node] = {parent, name};
    by_place_[{parent, name}].push_back(node);
  };
  for (const TraceRequest& request : trace.requests) {
    seen(request.node, request.name, request.new_node);
    for (const auto& [name, node] : request.entries) seen(request.node, name, node);
  }
  nodes_[kRoot].id = root.value();
}

void Replay::Restart() {
  next_ = 0;
  for (uint32_t node = kRoot + 1; node < nodes_.size(); ++node) nodes_[node] = {};
}

uint32_t Replay::Missing(const TraceRequest& request) const {
  if (IsForget(request)) return 0;
  const uint32_t linked =
      request.opcode == FUSE_LINK || request.opcode == FUSE_RENAME || request.opcode == FUSE_RENAME2
          ? request.other_node
          : 0;
  for (uint32_t node : {request.node, linked}) {
    uint32_t missing = 0;
    while (node > kRoot && nodes_[node].id == 0) {
      missing = node;
      node = places_[node].parent;
    }
    if (missing != 0) return missing;
  }
  return 0;
}

bool Replay::CollectForgets(const TraceRequest& request) {
  forgets_.clear();
  for (const auto& [number, count] : request.forgotten) {
    Node& node = nodes_[number];
    node.forgotten = true;
    if (number == kRoot || node.lookups == 0) continue;
    forgets_.push_back({.nodeid = node.id, .nlookup = node.lookups});
    node.lookups = node.id = 0;
  }
  return !forgets_.empty();
}

bool Replay::CollectLeftovers() {
  forgets_.clear();
  for (uint32_t number = kRoot + 1; number < nodes_.size(); ++number) {
    Node& node = nodes_[number];
    if (node.lookups == 0) continue;
    forgets_.push_back({.nodeid = node.id, .nlookup = node.lookups});
    node.lookups = node.id = 0;
    if (forgets_.size() == kForgetsPerRequest) break;
  }
  return !forgets_.empty();
}

void Replay::EncodeForgets(vmm::FuseRequest& request) const {
  if (forgets_.size() == 1) {
    vmm::EncodeForget(request, NodeId(forgets_[0].nodeid), forgets_[0].nlookup);
  } else {
    vmm::EncodeBatchForget(request, forgets_);
  }
}

void Replay::Encode(Lane& lane, vmm::FuseRequest& request) {
  looked_up_ = 0;
  while (true) {
    if (next_ == trace_.requests.size()) {
      leftovers_ = CollectLeftovers();
      if (leftovers_) return EncodeForgets(request);
      Restart();
    }
    const TraceRequest& recorded = trace_.requests[next_];
    if (IsForget(recorded)) {
      if (CollectForgets(recorded)) return EncodeForgets(request);
      ++next_;
      continue;
    }
    looked_up_ = Missing(recorded);
    if (looked_up_ == 0) return EncodeRecorded(recorded, lane, request);
    const Place& place = places_[looked_up_];
    return vmm::EncodeLookup(request, Id(place.parent), place.name);
  }
}

void Replay::EncodeRecorded(const TraceRequest& recorded, Lane& lane, vmm::FuseRequest& request) {
  const NodeId node = Id(recorded.node);
  const std::string& name = recorded.name;
  const vmm::Credentials& who = lane.client->credentials();
  const auto data = [&lane](uint64_t size) { return lane.data.Part(0, size); };
  const auto handle = [this, &recorded] { return HandleOf(recorded.handle); };
  switch (recorded.opcode) {
    case FUSE_LOOKUP:
      return vmm::EncodeLookup(request, node, name);
    case FUSE_GETATTR:
      return vmm::EncodeGetattr(request, node,
                                recorded.handle == 0 ? std::nullopt : std::optional(handle()));
    case FUSE_SETATTR: {
      fuse_setattr_in in{};
      in.valid = Argument32(recorded, 0);
      if (recorded.handle != 0) in.fh = handle().value();
      in.mode = Argument32(recorded, 1);
      in.uid = Argument32(recorded, 2);
      in.gid = Argument32(recorded, 3);
      in.size = recorded.arguments[4];
      in.atime = in.mtime = in.ctime = 1'000'000'000;
      return vmm::EncodeSetattr(request, node, in);
    }
    case FUSE_READLINK:
      return vmm::EncodeReadlink(request, node, data(4096));
    case FUSE_SYMLINK:
      return vmm::EncodeSymlink(request, node, name, recorded.other_name, who);
    case FUSE_MKDIR:
      return vmm::EncodeMkdir(request, node, name,
                              {.mode = Argument32(recorded, 0), .umask = Argument32(recorded, 1)},
                              who);
    case FUSE_UNLINK:
      return vmm::EncodeUnlink(request, node, name);
    case FUSE_RMDIR:
      return vmm::EncodeRmdir(request, node, name);
    case FUSE_RENAME:
      return vmm::EncodeRename(request, node, name, Id(recorded.other_node), recorded.other_name);
    case FUSE_RENAME2:
      return vmm::EncodeRename2(request, node, name, Id(recorded.other_node), recorded.other_name,
                                Argument32(recorded, 0));
    case FUSE_LINK:
      return vmm::EncodeLink(request, node, Id(recorded.other_node), name);
    case FUSE_OPEN:
      return vmm::EncodeOpen(request, node, Argument32(recorded, 0));
    case FUSE_CREATE:
      return vmm::EncodeCreate(request, node, name,
                               {.flags = Argument32(recorded, 0),
                                .mode = Argument32(recorded, 1),
                                .umask = Argument32(recorded, 2),
                                .open_flags = 0},
                               who);
    case FUSE_READ:
      return vmm::EncodeRead(request, node, handle(), recorded.arguments[0],
                             data(recorded.arguments[1]));
    case FUSE_WRITE:
      return vmm::EncodeWrite(request, node, handle(), recorded.arguments[0],
                              data(recorded.arguments[1]));
    case FUSE_STATFS:
      return vmm::EncodeStatfs(request, node);
    case FUSE_RELEASE:
      return vmm::EncodeRelease(request, node, handle());
    case FUSE_FSYNC:
      return vmm::EncodeFsync(request, node, handle(), /*data_only=*/false);
    case FUSE_GETXATTR:
      return vmm::EncodeGetxattr(request, node, name, data(recorded.arguments[0]));
    case FUSE_FLUSH:
      return vmm::EncodeFlush(request, node, handle());
    case FUSE_OPENDIR:
      return vmm::EncodeOpendir(request, node, 0);
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return vmm::EncodeReaddir(request, recorded.opcode, node, handle(),
                                handles_[recorded.handle].offset, data(recorded.arguments[0]));
    case FUSE_RELEASEDIR:
      return vmm::EncodeReleasedir(request, node, handle());
    case FUSE_ACCESS:
      return vmm::EncodeAccess(request, node, Argument32(recorded, 0));
    default:  // LoadTrace() lets nothing else in.
      std::abort();
  }
}

Next Replay::Take(Lane& lane, const vmm::FuseReply& reply) {
  if (leftovers_) {
    leftovers_ = false;
    return reply.error == 0 ? Next::kStep : Next::kWrong;
  }
  if (looked_up_ != 0) {
    const auto entry = As<fuse_entry_out>(reply);
    if (reply.error != 0 || !entry || entry->nodeid == 0) return Next::kWrong;
    Found(looked_up_, entry->nodeid);
    return Next::kStep;
  }
  const TraceRequest& recorded = trace_.requests[next_++];
  return TakeRecorded(recorded, lane, reply);
}

Next Replay::TakeRecorded(const TraceRequest& recorded, Lane& lane, const vmm::FuseReply& reply) {
  const auto judge = [](bool right) { return right ? Next::kStep : Next::kWrong; };
  // What fails, fails for the same reason everywhere, but for what isn't supported at all.
  if (recorded.error != 0 && recorded.opcode == FUSE_GETXATTR) return judge(reply.error != 0);
  if (static_cast<uint32_t>(reply.error) != recorded.error) return Next::kWrong;
  if (reply.error != 0) return Next::kStep;
  switch (recorded.opcode) {
    case FUSE_LOOKUP:
    case FUSE_SYMLINK:
    case FUSE_MKDIR:
    case FUSE_LINK: {
      const auto entry = As<fuse_entry_out>(reply);
      if (!entry || (entry->nodeid == 0) != (recorded.new_node == 0)) return Next::kWrong;
      if (entry->nodeid != 0) Found(recorded.new_node, entry->nodeid);
      return Next::kStep;
    }
    case FUSE_CREATE: {
      const auto created = As<vmm::CreatedFile>(reply);
      if (!created) return Next::kWrong;
      Found(recorded.new_node, created->entry.nodeid);
      handles_[recorded.new_handle] = {.id = created->opened.fh, .node = recorded.new_node};
      return Next::kStep;
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR: {
      const auto opened = As<fuse_open_out>(reply);
      if (!opened) return Next::kWrong;
      handles_[recorded.new_handle] = {
          .id = opened->fh, .node = recorded.node, .directory = recorded.opcode == FUSE_OPENDIR};
      return Next::kStep;
    }
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
      handles_[recorded.handle].node = 0;
      return Next::kStep;
    case FUSE_READ:
      return judge(reply.data_bytes == recorded.size);
    case FUSE_WRITE: {
      const auto written = As<fuse_write_out>(reply);
      return judge(written && written->size == recorded.size);
    }
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return TakeListing(recorded, lane, reply.data_bytes);
    default:
      return Next::kStep;
  }
}

Next Replay::TakeListing(const TraceRequest& recorded, Lane& lane, size_t size) {
  const std::span<const std::byte> bytes = lane.data.bytes.first(size);
  const size_t before_dirent = recorded.opcode == FUSE_READDIRPLUS ? sizeof(fuse_entry_out) : 0;
  for (size_t at = 0; at < bytes.size();) {
    fuse_entry_out found{};
    fuse_dirent entry;
    if (bytes.size() - at < before_dirent + FUSE_NAME_OFFSET) return Next::kWrong;
    std::memcpy(&found, bytes.data() + at, before_dirent);
    std::memcpy(&entry, bytes.data() + at + before_dirent, FUSE_NAME_OFFSET);
    const size_t name_at = at + before_dirent + FUSE_NAME_OFFSET;
    if (bytes.size() - name_at < entry.namelen) return Next::kWrong;
    handles_[recorded.handle].offset = entry.off;
    if (found.nodeid != 0) {
      // Safe because bytes may be seen as characters.
      const std::string_view name(reinterpret_cast<const char*>(bytes.data()) + name_at,
                                  entry.namelen);
      const auto numbers = by_place_.find({recorded.node, name});
      if (numbers == by_place_.end()) return Next::kWrong;
      const auto number = std::ranges::find_if(
          numbers->second, [this](uint32_t one) { return !nodes_[one].forgotten; });
      if (number == numbers->second.end()) return Next::kWrong;
      Found(*number, found.nodeid);
    }
    at += before_dirent + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
  }
  return Next::kStep;
}

void Replay::Found(uint32_t node, uint64_t id) {
  nodes_[node].id = id;
  ++nodes_[node].lookups;
}

absl::Status Replay::Abandon(vmm::FuseClient& client) {
  for (Handle& handle : handles_) {
    if (handle.node == 0) continue;
    const NodeId node = Id(handle.node);
    const vmm::FuseHandle id(handle.id);
    const auto released = handle.directory ? client.Releasedir(node, id) : client.Release(node, id);
    if (!released.ok()) return Failed("release", released.error());
    handle = {};
  }
  while (CollectLeftovers()) {
    if (auto done = client.BatchForget(forgets_); !done.ok()) return Failed("forget", done.error());
  }
  Restart();
  return absl::OkStatus();
}

}  // namespace postern::bench
