#include "tests/vmm/fuse_request.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "common/checked.h"

namespace postern::vmm {
namespace {

constexpr size_t kScatteredBytes = 13;
constexpr size_t kScatteredDataBytes = 1021;
constexpr int kLargestError = 511;  // What Linux takes from a server: -511 to 0.

// Adds `buffer` in pieces of at most `piece` bytes (0: whole).
void AddPieces(const GuestBuffer& buffer, size_t piece, std::vector<Segment>& segments) {
  for (size_t at = 0; at < buffer.size();) {
    const size_t left = buffer.size() - at;
    const size_t count = piece == 0 ? left : std::min(piece, left);
    segments.push_back({GuestAddress(buffer.address.value() + at), static_cast<uint32_t>(count)});
    at += count;
  }
}

// Adds `buffer` cut at the guest's page boundaries: the first and last piece may be short.
void AddPages(const GuestBuffer& buffer, std::vector<Segment>& segments) {
  for (size_t at = 0; at < buffer.size();) {
    const uint64_t address = buffer.address.value() + at;
    const size_t to_boundary = kGuestPageBytes - address % kGuestPageBytes;
    const size_t count = std::min(to_boundary, buffer.size() - at);
    segments.push_back({GuestAddress(address), static_cast<uint32_t>(count)});
    at += count;
  }
}

// Header and arguments lie one behind the other in `buffer`.
void AddPart(const GuestBuffer& buffer, size_t header, size_t arguments, Framing framing,
             std::vector<Segment>& segments) {
  switch (framing) {
    case Framing::kLinux:
      AddPieces(buffer.Part(0, header), 0, segments);
      AddPieces(buffer.Part(header, arguments), 0, segments);
      break;
    case Framing::kCompact:
      AddPieces(buffer.Part(0, header + arguments), 0, segments);
      break;
    case Framing::kScattered:
      AddPieces(buffer.Part(0, header + arguments), kScatteredBytes, segments);
      break;
  }
}

void AddData(const std::vector<GuestBuffer>& data, Framing framing, bool split_pages,
             std::vector<Segment>& segments) {
  for (const GuestBuffer& buffer : data) {
    if (framing == Framing::kScattered) {
      AddPieces(buffer, kScatteredDataBytes, segments);
    } else if (framing == Framing::kLinux && split_pages) {
      AddPages(buffer, segments);
    } else {
      AddPieces(buffer, 0, segments);
    }
  }
}

// FUSE_REC_ALIGN of fs/fuse/dir.c.
constexpr size_t kExtensionAlignment = 8;
size_t RoundedUp(size_t size) {
  return (size + kExtensionAlignment - 1) & ~(kExtensionAlignment - 1);
}

template <typename T>
void AppendObject(const T& object, std::string& to) {
  static_assert(std::is_trivially_copyable_v<T>);
  // Safe because char aliases everything.
  to.append(reinterpret_cast<const char*>(&object), sizeof(object));
}

size_t Total(const std::vector<GuestBuffer>& data) {
  size_t total = 0;
  for (const GuestBuffer& buffer : data) total += buffer.size();
  return total;
}

}  // namespace

FuseRequest::FuseRequest(GuestBuffer in, GuestBuffer out, uint32_t slot)
    : in_(in), out_(out), slot_(slot) {}

void FuseRequest::Start(uint32_t opcode, NodeId node) {
  header_ = {};
  header_.opcode = opcode;
  header_.nodeid = node.value();
  in_arguments_ = out_arguments_ = 0;
  replies_ = true;
  overflowed_ = false;
  data_in_.clear();
  data_out_.clear();
}

void FuseRequest::AppendBytes(std::span<const std::byte> bytes) {
  const size_t at = sizeof(fuse_in_header) + in_arguments_;
  if (bytes.size() > in_.size() - at) {
    overflowed_ = true;
    return;
  }
  std::memcpy(in_.bytes.data() + at, bytes.data(), bytes.size());
  in_arguments_ += bytes.size();
}

void FuseRequest::AppendName(std::string_view name) {
  AppendBytes(std::as_bytes(std::span(name.data(), name.size())));
  Append('\0');
}

void FuseRequest::AppendExtension(uint32_t type, std::string_view body) {
  // struct fuse_ext_header (as struct fuse_secctx_header: size, number of contexts). The size is
  // the record's, header and padding included.
  fuse_ext_header header{};
  header.size = Narrow<uint32_t>(RoundedUp(sizeof(header) + body.size()));
  header.type = type;
  Append(header);
  AppendBytes(std::as_bytes(std::span(body.data(), body.size())));
  const std::string padding(header.size - sizeof(header) - body.size(), '\0');
  AppendBytes(std::as_bytes(std::span(padding.data(), padding.size())));
  header_.total_extlen =
      static_cast<uint16_t>(header_.total_extlen + header.size / kExtensionAlignment);
}

void FuseRequest::AppendExtensions(const Credentials& credentials) {
  if (credentials.security_contexts.has_value()) {
    std::string body;
    for (const SecurityContext& context : *credentials.security_contexts) {
      body.resize(RoundedUp(body.size()));
      fuse_secctx header{};
      header.size = Narrow<uint32_t>(context.value.size());
      AppendObject(header, body);
      body.append(context.name).push_back('\0');
      body.append(context.value);
    }
    AppendExtension(Narrow<uint32_t>(credentials.security_contexts->size()), body);
  }
  if (credentials.supplementary_group.has_value()) {
    std::string body;  // struct fuse_supp_groups
    AppendObject(uint32_t{1}, body);
    AppendObject(credentials.supplementary_group->value(), body);
    AppendExtension(kFuseExtGroups, body);
  }
}

void FuseRequest::ReceiveArguments(size_t bytes) {
  overflowed_ = overflowed_ || bytes > out_.size() - sizeof(fuse_out_header);
  out_arguments_ = bytes;
}

void FuseRequest::set_credentials(const Credentials& credentials) {
  header_.uid = credentials.uid.value();
  header_.gid = credentials.gid.value();
  header_.pid = credentials.pid;
}

bool FuseRequest::Finish(Framing framing, bool split_pages) {
  if (overflowed_) return false;
  header_.len = static_cast<uint32_t>(sizeof(fuse_in_header) + in_arguments_ + Total(data_in_));
  std::memcpy(in_.bytes.data(), &header_, sizeof(header_));
  readable_.clear();
  writable_.clear();
  AddPart(in_, sizeof(fuse_in_header), in_arguments_, framing, readable_);
  AddData(data_in_, framing, split_pages, readable_);
  if (!replies_) return true;
  // A reply that isn't written must not be mistaken for the slot's last one.
  std::memset(out_.bytes.data(), 0xa5, sizeof(fuse_out_header));
  AddPart(out_, sizeof(fuse_out_header), out_arguments_, framing, writable_);
  AddData(data_out_, framing, split_pages, writable_);
  return true;
}

bool FuseRequest::ParseReply(uint32_t used_length, FuseReply& reply, const char*& violation) const {
  if (!replies_) {
    violation = "used length of a request without reply isn't 0";
    return used_length == 0;
  }
  // Linux gives DESTROY a writable part; virtiofsd writes nothing there.
  if (header_.opcode == FUSE_DESTROY && used_length == 0) return true;
  fuse_out_header header;
  if (used_length < sizeof(header)) {
    violation = "used length below the reply header's";
    return false;
  }
  std::memcpy(&header, out_.bytes.data(), sizeof(header));
  violation = "reply bears another unique";
  if (header.unique != header_.unique) return false;
  violation = "reply's len isn't the used length";
  if (header.len != used_length) return false;
  violation = "reply's len exceeds the writable part";
  if (header.len > sizeof(header) + out_arguments_ + Total(data_out_)) return false;
  violation = "reply's error is out of range";
  if (header.error > 0 || header.error < -kLargestError) return false;
  violation = "error reply has a body";
  if (header.error != 0 && header.len != sizeof(header)) return false;
  reply.error = -header.error;
  const size_t body = header.len - sizeof(header);
  const size_t arguments = std::min(body, out_arguments_);
  reply.arguments = out_.bytes.subspan(sizeof(header), arguments);
  reply.data_bytes = body - arguments;
  return true;
}

}  // namespace postern::vmm
