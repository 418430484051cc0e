#include "tests/bench/record/trace_recorder.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace postern::bench {
namespace {

using Bytes = std::span<const std::byte>;

// Zeros where the bytes end: the guest's kernel is believed here.
template <typename T>
T As(Bytes bytes, size_t offset = 0) {
  T value{};
  if (offset < bytes.size()) {
    std::memcpy(&value, bytes.data() + offset, std::min(sizeof(value), bytes.size() - offset));
  }
  return value;
}

std::string NameAt(Bytes bytes, size_t offset) {
  if (offset >= bytes.size()) return {};
  // Safe because bytes may be seen as characters.
  const char* text = reinterpret_cast<const char*>(bytes.data()) + offset;
  return std::string(text, strnlen(text, bytes.size() - offset));
}

}  // namespace

void TraceRecorder::Add(Bytes request, Bytes answer) {
  const auto header = As<fuse_in_header>(request);
  const Bytes body = request.subspan(std::min(sizeof(header), request.size()));
  if (header.opcode == FUSE_LOOKUP && header.nodeid == FUSE_ROOT_ID) {
    const std::string name = NameAt(body, 0);
    if (name == kBegin) {
      begun_ = true;
      return;
    }
    if (name == kEnd) ended_ = true;
  }
  if (!begun_ || ended_) return;
  TraceRequest line;
  line.opcode = header.opcode;
  line.node = header.nodeid == 0 ? 0 : Node(header.nodeid);
  if (!Decode(body, answer, line)) {
    unknown_.push_back(header.opcode);
    return;
  }
  lines_.push_back(line.Text());
}

uint32_t TraceRecorder::Node(uint64_t id) {
  if (id == FUSE_ROOT_ID) return 1;
  return nodes_.try_emplace(id, static_cast<uint32_t>(nodes_.size() + 2)).first->second;
}

uint32_t TraceRecorder::Handle(uint64_t id) {
  const auto found = handles_.find(id);
  return found == handles_.end() ? 0 : found->second;
}

bool TraceRecorder::Decode(Bytes body, Bytes answer, TraceRequest& request) {
  switch (request.opcode) {
    case FUSE_LOOKUP:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
      request.name = NameAt(body, 0);
      break;
    case FUSE_FORGET:
      request.forgotten = {{request.node, As<fuse_forget_in>(body).nlookup}};
      request.node = 0;
      break;
    case FUSE_BATCH_FORGET:
      for (uint32_t i = 0; i < As<fuse_batch_forget_in>(body).count; ++i) {
        const auto one =
            As<fuse_forget_one>(body, sizeof(fuse_batch_forget_in) + i * sizeof(fuse_forget_one));
        request.forgotten.emplace_back(Node(one.nodeid), one.nlookup);
      }
      break;
    case FUSE_GETATTR: {
      const auto in = As<fuse_getattr_in>(body);
      if ((in.getattr_flags & FUSE_GETATTR_FH) != 0) request.handle = Handle(in.fh);
      break;
    }
    case FUSE_SETATTR: {
      const auto in = As<fuse_setattr_in>(body);
      if ((in.valid & FATTR_FH) != 0) request.handle = Handle(in.fh);
      request.arguments = {in.valid, in.mode, in.uid, in.gid, in.size};
      break;
    }
    case FUSE_SYMLINK:
      request.name = NameAt(body, 0);
      request.other_name = NameAt(body, request.name.size() + 1);
      break;
    case FUSE_MKDIR:
      request.arguments = {As<fuse_mkdir_in>(body).mode, As<fuse_mkdir_in>(body).umask};
      request.name = NameAt(body, sizeof(fuse_mkdir_in));
      break;
    case FUSE_RENAME:
      request.other_node = Node(As<fuse_rename_in>(body).newdir);
      request.name = NameAt(body, sizeof(fuse_rename_in));
      request.other_name = NameAt(body, sizeof(fuse_rename_in) + request.name.size() + 1);
      break;
    case FUSE_RENAME2:
      request.other_node = Node(As<fuse_rename2_in>(body).newdir);
      request.arguments = {As<fuse_rename2_in>(body).flags};
      request.name = NameAt(body, sizeof(fuse_rename2_in));
      request.other_name = NameAt(body, sizeof(fuse_rename2_in) + request.name.size() + 1);
      break;
    case FUSE_LINK:
      request.other_node = Node(As<fuse_link_in>(body).oldnodeid);
      request.name = NameAt(body, sizeof(fuse_link_in));
      break;
    case FUSE_OPEN:
      request.arguments = {As<fuse_open_in>(body).flags};
      break;
    case FUSE_CREATE: {
      const auto in = As<fuse_create_in>(body);
      request.arguments = {in.flags, in.mode, in.umask};
      request.name = NameAt(body, sizeof(in));
      break;
    }
    case FUSE_READ:
    case FUSE_WRITE: {
      static_assert(offsetof(fuse_read_in, size) == offsetof(fuse_write_in, size));
      const auto in = As<fuse_read_in>(body);
      request.handle = Handle(in.fh);
      request.arguments = {in.offset, in.size};
      break;
    }
    case FUSE_READDIR:
    case FUSE_READDIRPLUS: {
      const auto in = As<fuse_read_in>(body);
      request.handle = Handle(in.fh);
      request.arguments = {in.size};
      break;
    }
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR: {
      const auto in = As<fuse_release_in>(body);
      request.handle = Handle(in.fh);
      handles_.erase(in.fh);
      break;
    }
    case FUSE_FLUSH:
      request.handle = Handle(As<fuse_flush_in>(body).fh);
      break;
    case FUSE_FSYNC:
      request.handle = Handle(As<fuse_fsync_in>(body).fh);
      break;
    case FUSE_GETXATTR:
      request.arguments = {As<fuse_getxattr_in>(body).size};
      request.name = NameAt(body, sizeof(fuse_getxattr_in));
      break;
    case FUSE_ACCESS:
      request.arguments = {As<fuse_access_in>(body).mask};
      break;
    case FUSE_OPENDIR:
    case FUSE_READLINK:
    case FUSE_STATFS:
      break;
    default:
      return false;
  }
  DecodeAnswer(answer, request);
  return true;
}

void TraceRecorder::DecodeAnswer(Bytes answer, TraceRequest& request) {
  if (answer.empty()) return;
  const auto header = As<fuse_out_header>(answer);
  const Bytes body = answer.subspan(std::min(sizeof(header), answer.size()));
  request.error = static_cast<uint32_t>(-header.error);
  if (request.error != 0) return;
  switch (request.opcode) {
    case FUSE_LOOKUP:
    case FUSE_SYMLINK:
    case FUSE_MKDIR:
    case FUSE_LINK:
      // A node of 0 says that there is no such name.
      if (const auto id = As<fuse_entry_out>(body).nodeid; id != 0) request.new_node = Node(id);
      break;
    case FUSE_CREATE:
      request.new_node = Node(As<fuse_entry_out>(body).nodeid);
      request.new_handle = handles_[As<fuse_open_out>(body, sizeof(fuse_entry_out)).fh] =
          ++last_handle_;
      break;
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      request.new_handle = handles_[As<fuse_open_out>(body).fh] = ++last_handle_;
      break;
    case FUSE_READ:
    case FUSE_READDIR:
      request.size = body.size();
      break;
    case FUSE_WRITE:
      request.size = As<fuse_write_out>(body).size;
      break;
    case FUSE_READDIRPLUS:
      request.size = body.size();
      TakeEntries(body, request);
      break;
    default:
      break;
  }
}

void TraceRecorder::TakeEntries(Bytes listing, TraceRequest& request) {
  for (size_t at = 0; at < listing.size();) {
    const auto found = As<fuse_entry_out>(listing, at);
    const auto entry = As<fuse_dirent>(listing, at + sizeof(found));
    const size_t name_at = at + sizeof(found) + FUSE_NAME_OFFSET;
    if (found.nodeid != 0) {
      request.entries.emplace_back(
          std::string(NameAt(listing.subspan(0, std::min(listing.size(), name_at + entry.namelen)),
                             name_at)),
          Node(found.nodeid));
    }
    at += sizeof(found) + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
  }
}

}  // namespace postern::bench
