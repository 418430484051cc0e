// Operations on names and attributes.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/prepare.h"
#include "tests/bench/share_content.h"
#include "tests/bench/workload.h"
#include "tests/vmm/fuse_requests.h"

namespace postern::bench {
namespace {

// Known names: few enough to be known to the daemon after the first round.
constexpr uint64_t kKnownNames = 256;

// Each lane has its own share of the names, so that no two of them forget the same inode.
std::string ColdName(const Lane& lane) {
  const uint64_t own = kNames / lane.lanes;
  return FileName(lane.index * own + lane.turn % own);
}

void EncodeLookupOf(Lane& lane, vmm::FuseRequest& request, const std::string& name) {
  vmm::EncodeLookup(request, lane.directory, name);
}

Next TakeEntry(Lane& lane, const vmm::FuseReply& reply) {
  const auto entry = As<fuse_entry_out>(reply);
  if (!entry || entry->nodeid == 0) return Next::kWrong;
  lane.node = NodeId(entry->nodeid);
  return Next::kStep;
}

Next TakeCreated(Lane& lane, const vmm::FuseReply& reply) {
  const auto created = As<vmm::CreatedFile>(reply);
  if (!created) return Next::kWrong;
  lane.node = vmm::NodeOf(created->entry);
  lane.handle = vmm::HandleOf(created->opened);
  return Next::kStep;
}

Next TakeOpened(Lane& lane, const vmm::FuseReply& reply) {
  const auto opened = As<fuse_open_out>(reply);
  if (!opened) return Next::kWrong;
  lane.handle = vmm::HandleOf(*opened);
  return Next::kStep;
}

Next TakeAttributes(Lane& lane, const vmm::FuseReply& reply) {
  const auto attributes = As<fuse_attr_out>(reply);
  return attributes && attributes->attr.ino == lane.offset ? Next::kStep : Next::kWrong;
}

absl::Status PrepareGetattr(Lane& lane) {
  if (auto status = FindDataFile(lane); !status.ok()) return status;
  const auto attributes = lane.client->Getattr(lane.node);
  if (!attributes.ok()) return Failed("getattr", attributes.error());
  lane.offset = attributes->ino;  // What every reply must say.
  return absl::OkStatus();
}

absl::Status FindNames(Lane& lane) { return FindDirectory(lane, kNamesDirectory); }

absl::Status MakeOwnScratchFile(Lane& lane) {
  if (auto status = FindDirectory(lane, kScratchDirectory); !status.ok()) return status;
  lane.name = "lane-" + std::to_string(lane.index);
  lane.other_name = lane.name + "-renamed";
  const auto created = lane.client->Create(lane.directory, lane.name, O_RDWR);
  if (!created.ok()) return Failed("create", created.error());
  const auto released =
      lane.client->Release(vmm::NodeOf(created->entry), vmm::HandleOf(created->opened));
  return released.ok() ? absl::OkStatus() : Failed("release", released.error());
}

absl::Status RemoveOwnScratchFile(Lane& lane) {
  const auto removed = lane.client->Unlink(lane.directory, lane.name);
  return removed.ok() ? absl::OkStatus() : Failed("unlink", removed.error());
}

absl::Status ChooseScratchName(Lane& lane) {
  lane.name = "made-" + std::to_string(lane.index);
  return FindDirectory(lane, kScratchDirectory);
}

void EncodeForgetOfNode(Lane& lane, vmm::FuseRequest& request) {
  vmm::EncodeForget(request, lane.node, 1);
}

void EncodeReleaseOfNode(Lane& lane, vmm::FuseRequest& request) {
  vmm::EncodeRelease(request, lane.node, lane.handle);
}

}  // namespace

std::vector<Workload> NameWorkloads() {
  std::vector<Workload> workloads;
  workloads.push_back({.name = "getattr",
                       .prepare = &PrepareGetattr,
                       .steps = {{[](Lane& lane, vmm::FuseRequest& request) {
                                    vmm::EncodeGetattr(request, lane.node, std::nullopt);
                                  },
                                  &TakeAttributes}},
                       .native = [](NativeLane& lane) -> uint64_t {
                         struct statx status;
                         MustSucceed(statx(lane.File(kDataFile), "", AT_EMPTY_PATH,
                                           STATX_BASIC_STATS, &status) == 0,
                                     "statx");
                         return 1;
                       }});
  workloads.push_back({.name = "lookup, known",
                       .prepare = &FindNames,
                       .steps = {{[](Lane& lane, vmm::FuseRequest& request) {
                                    EncodeLookupOf(lane, request,
                                                   FileName(lane.Random(kKnownNames)));
                                  },
                                  &TakeEntry}},
                       .native = [](NativeLane& lane) -> uint64_t {
                         struct statx status;
                         const std::string name = FileName(lane.Random(kKnownNames));
                         MustSucceed(statx(lane.Directory(kNamesDirectory), name.c_str(),
                                           AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) == 0,
                                     "statx");
                         return 1;
                       }});
  workloads.push_back(
      {.name = "lookup+forget, cold",
       .prepare = &FindNames,
       .steps = {{[](Lane& lane, vmm::FuseRequest& request) {
                    EncodeLookupOf(lane, request, ColdName(lane));
                  },
                  &TakeEntry},
                 {&EncodeForgetOfNode}},
       .native = [](NativeLane& lane) -> uint64_t {
         const std::string name = FileName(lane.turn % kNames);
         const UniqueFd fd(openat(lane.Directory(kNamesDirectory), name.c_str(),
                                  O_PATH | O_NOFOLLOW | O_CLOEXEC));
         struct statx status;
         MustSucceed(statx(fd.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) == 0, "statx");
         return 1;
       }});
  workloads.push_back({.name = "open+release",
                       .prepare = &FindDataFile,
                       .steps = {{[](Lane& lane, vmm::FuseRequest& request) {
                                    vmm::EncodeOpen(request, lane.node, O_RDONLY);
                                  },
                                  &TakeOpened},
                                 {&EncodeReleaseOfNode}},
                       .native = [](NativeLane& lane) -> uint64_t {
                         MustSucceed(static_cast<bool>(UniqueFd(
                                         openat(lane.root, kDataFile, O_RDONLY | O_CLOEXEC))),
                                     "openat");
                         return 1;
                       }});
  workloads.push_back(
      {.name = "create+unlink",
       .prepare = &ChooseScratchName,
       .steps = {{[](Lane& lane, vmm::FuseRequest& request) {
                    vmm::EncodeCreate(request, lane.directory, lane.name,
                                      {.flags = O_CREAT | O_EXCL | O_WRONLY,
                                       .mode = S_IFREG | 0644,
                                       .umask = 022,
                                       .open_flags = 0},
                                      lane.client->credentials());
                  },
                  &TakeCreated},
                 {&EncodeReleaseOfNode},
                 {[](Lane& lane, vmm::FuseRequest& request) {
                   vmm::EncodeUnlink(request, lane.directory, lane.name);
                 }},
                 {&EncodeForgetOfNode}},
       .native = [](NativeLane& lane) -> uint64_t {
         const int directory = lane.Directory(kScratchDirectory);
         MustSucceed(static_cast<bool>(UniqueFd(openat(
                         directory, "native", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644))),
                     "openat");
         MustSucceed(unlinkat(directory, "native", 0) == 0, "unlinkat");
         return 1;
       }});
  workloads.push_back(
      {.name = "rename",
       .prepare = &MakeOwnScratchFile,
       .steps = {{[](Lane& lane, vmm::FuseRequest& request) {
                    vmm::EncodeRename2(request, lane.directory, lane.name, lane.directory,
                                       lane.other_name, 0);
                  },
                  [](Lane& lane, const vmm::FuseReply&) {
                    std::swap(lane.name, lane.other_name);
                    return Next::kStep;
                  }}},
       .finish = &RemoveOwnScratchFile,
       .native = [](NativeLane& lane) -> uint64_t {
         const int directory = lane.Directory(kScratchDirectory);
         if (lane.turn == 0) {
           MustSucceed(static_cast<bool>(
                           UniqueFd(openat(directory, "a", O_CREAT | O_WRONLY | O_CLOEXEC, 0644))),
                       "openat");
         }
         const bool even = lane.turn % 2 == 0;
         MustSucceed(renameat(directory, even ? "a" : "b", directory, even ? "b" : "a") == 0,
                     "renameat");
         return 1;
       }});
  return workloads;
}

}  // namespace postern::bench
