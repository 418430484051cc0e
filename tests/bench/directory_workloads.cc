// Reading a directory from its beginning to its end.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "tests/bench/prepare.h"
#include "tests/bench/share_content.h"
#include "tests/bench/workload.h"
#include "tests/vmm/fuse_directory.h"
#include "tests/vmm/fuse_requests.h"

namespace postern::bench {
namespace {

// What Linux asks for at a time: a page, until 6.16 or so; more since.
constexpr uint32_t kListingBytes = 4096;

// struct linux_dirent64 of getdents64(2), which no header declares.
struct DirectoryRecord {
  uint64_t ino;
  int64_t offset;
  uint16_t length;
  uint8_t type;
};

// Forgets what was looked up, at most so many in one request.
constexpr size_t kForgetsPerRequest = 64;

absl::Status PrepareListing(Lane& lane) {
  if (auto status = FindDirectory(lane, kNamesDirectory); !status.ok()) return status;
  lane.seen.reserve(kNames + 2);
  return absl::OkStatus();
}

void EncodeOpendirOf(Lane& lane, vmm::FuseRequest& request) {
  vmm::EncodeOpendir(request, lane.directory, 0);
}

Next TakeOpendir(Lane& lane, const vmm::FuseReply& reply) {
  const auto opened = As<fuse_open_out>(reply);
  if (!opened) return Next::kWrong;
  lane.handle = vmm::HandleOf(*opened);
  lane.offset = 0;
  return Next::kStep;
}

void EncodeReleasedirOf(Lane& lane, vmm::FuseRequest& request) {
  vmm::EncodeReleasedir(request, lane.directory, lane.handle);
}

// Walks the records in place: what is measured is the daemon, not the parsing.
Next TakeListing(Lane& lane, const vmm::FuseReply& reply, bool plus) {
  const std::span<const std::byte> bytes = lane.data.bytes.first(reply.data_bytes);
  const size_t before_dirent = plus ? sizeof(fuse_entry_out) : 0;
  size_t at = 0;
  while (at < bytes.size()) {
    fuse_dirent entry;
    if (bytes.size() - at < before_dirent + FUSE_NAME_OFFSET) return Next::kWrong;
    std::memcpy(&entry, bytes.data() + at + before_dirent, FUSE_NAME_OFFSET);
    if (plus) {
      fuse_entry_out found;
      std::memcpy(&found, bytes.data() + at, sizeof(found));
      if (found.nodeid != 0) lane.seen.push_back({.nodeid = found.nodeid, .nlookup = 1});
    }
    lane.offset = entry.off;
    ++lane.units;
    at += before_dirent + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
  }
  return bytes.empty() ? Next::kStep : Next::kRepeat;
}

void EncodeForgets(Lane& lane, vmm::FuseRequest& request) {
  const size_t count = std::min(lane.seen.size(), kForgetsPerRequest);
  vmm::EncodeBatchForget(request, std::span(lane.seen).last(count));
  lane.seen.resize(lane.seen.size() - count);
}

Next TakeForgets(Lane& lane, const vmm::FuseReply&) {
  return lane.seen.empty() ? Next::kStep : Next::kRepeat;
}

template <bool with_status>
uint64_t ListNatively(NativeLane& lane) {
  const int directory = lane.Directory(kNamesDirectory);
  MustSucceed(lseek(directory, 0, SEEK_SET) == 0, "lseek");
  uint64_t entries = 0;
  while (true) {
    const long size = syscall(SYS_getdents64, directory, lane.data.data(), lane.data.size());
    MustSucceed(size >= 0, "getdents64");
    if (size == 0) return entries;
    for (long at = 0; at < size; ++entries) {
      DirectoryRecord record;
      std::memcpy(&record, lane.data.data() + at, sizeof(record));
      if constexpr (with_status) {
        struct statx status;
        // Safe because bytes may be seen as characters; the kernel ends each name with a NUL.
        const char* name = reinterpret_cast<const char*>(lane.data.data()) + at +
                           offsetof(DirectoryRecord, type) + 1;
        MustSucceed(statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) == 0,
                    "statx");
      }
      at += record.length;
    }
  }
}

}  // namespace

std::vector<Workload> DirectoryWorkloads() {
  std::vector<Workload> workloads;
  workloads.push_back({.name = "readdir of 10,000",
                       .unit = "entry",
                       .bytes = kListingBytes,
                       .prepare = &PrepareListing,
                       .steps = {{&EncodeOpendirOf, &TakeOpendir},
                                 {[](Lane& lane, vmm::FuseRequest& request) {
                                    vmm::EncodeReaddir(request, FUSE_READDIR, lane.directory,
                                                       lane.handle, lane.offset, lane.data);
                                  },
                                  [](Lane& lane, const vmm::FuseReply& reply) {
                                    return TakeListing(lane, reply, /*plus=*/false);
                                  }},
                                 {&EncodeReleasedirOf}},
                       .native = &ListNatively<false>});
  workloads.push_back({.name = "readdirplus of 10,000",
                       .unit = "entry",
                       .bytes = kListingBytes,
                       .prepare = &PrepareListing,
                       .steps = {{&EncodeOpendirOf, &TakeOpendir},
                                 {[](Lane& lane, vmm::FuseRequest& request) {
                                    vmm::EncodeReaddir(request, FUSE_READDIRPLUS, lane.directory,
                                                       lane.handle, lane.offset, lane.data);
                                  },
                                  [](Lane& lane, const vmm::FuseReply& reply) {
                                    return TakeListing(lane, reply, /*plus=*/true);
                                  }},
                                 {&EncodeReleasedirOf},
                                 {&EncodeForgets, &TakeForgets}},
                       .native = &ListNatively<true>});
  return workloads;
}

}  // namespace postern::bench
