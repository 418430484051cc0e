// Operations on an open file, and its extended attributes.
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/bench/prepare.h"
#include "tests/bench/share_content.h"
#include "tests/bench/workload.h"
#include "tests/vmm/fuse_requests.h"

namespace postern::bench {
namespace {

enum class Order { kSequential, kRandom };

// Lanes take the parts of the file in turn, as a guest's readahead does.
uint64_t OffsetOf(Lane& lane, Order order) {
  const uint64_t parts = kDataBytes / lane.data.size();
  const uint64_t part =
      order == Order::kRandom ? lane.Random(parts) : (lane.turn * lane.lanes + lane.index) % parts;
  return part * lane.data.size();
}

uint64_t OffsetOf(NativeLane& lane, Order order) {
  const uint64_t parts = kDataBytes / lane.data.size();
  return (order == Order::kRandom ? lane.Random(parts) : lane.turn % parts) * lane.data.size();
}

absl::Status OpenDataFile(Lane& lane) {
  if (auto status = FindDataFile(lane); !status.ok()) return status;
  const auto opened = lane.client->Open(lane.node, O_RDWR);
  if (!opened.ok()) return Failed("open", opened.error());
  lane.handle = vmm::HandleOf(*opened);
  return absl::OkStatus();
}

absl::Status OpenDataFileForWriting(Lane& lane) {
  FillData(0, lane.data.bytes);
  return OpenDataFile(lane);
}

absl::Status ReleaseDataFile(Lane& lane) {
  const auto released = lane.client->Release(lane.node, lane.handle);
  return released.ok() ? absl::OkStatus() : Failed("release", released.error());
}

template <Order order>
void EncodeReadOf(Lane& lane, vmm::FuseRequest& request) {
  lane.offset = OffsetOf(lane, order);
  vmm::EncodeRead(request, lane.node, lane.handle, lane.offset, lane.data);
}

Next TakeData(Lane& lane, const vmm::FuseReply& reply) {
  const bool right = reply.data_bytes == lane.data.size() && IsData(lane.offset, lane.data.bytes);
  return right ? Next::kStep : Next::kWrong;
}

template <Order order>
void EncodeWriteOf(Lane& lane, vmm::FuseRequest& request) {
  lane.offset = OffsetOf(lane, order);
  MoveData(lane.offset, lane.data.bytes);
  vmm::EncodeWrite(request, lane.node, lane.handle, lane.offset, lane.data);
}

Next TakeWritten(Lane& lane, const vmm::FuseReply& reply) {
  const auto written = As<fuse_write_out>(reply);
  return written && written->size == lane.data.size() ? Next::kStep : Next::kWrong;
}

template <Order order>
uint64_t ReadNatively(NativeLane& lane) {
  const uint64_t offset = OffsetOf(lane, order);
  const ssize_t size =
      pread(lane.File(kDataFile), lane.data.data(), lane.data.size(), static_cast<off_t>(offset));
  MustSucceed(size == static_cast<ssize_t>(lane.data.size()) && IsData(offset, lane.data), "pread");
  return 1;
}

template <Order order>
uint64_t WriteNatively(NativeLane& lane) {
  const uint64_t offset = OffsetOf(lane, order);
  if (lane.turn == 0) FillData(0, lane.data);
  MoveData(offset, lane.data);
  const ssize_t size =
      pwrite(lane.File(kDataFile), lane.data.data(), lane.data.size(), static_cast<off_t>(offset));
  MustSucceed(size == static_cast<ssize_t>(lane.data.size()), "pwrite");
  return 1;
}

template <Order order>
Workload Reading(const char* name, uint32_t bytes) {
  return {.name = name,
          .bytes = bytes,
          .moves_data = true,
          .prepare = &OpenDataFile,
          .steps = {{&EncodeReadOf<order>, &TakeData}},
          .finish = &ReleaseDataFile,
          .native = &ReadNatively<order>};
}

template <Order order>
Workload Writing(const char* name, uint32_t bytes) {
  return {.name = name,
          .bytes = bytes,
          .moves_data = true,
          .prepare = &OpenDataFileForWriting,
          .steps = {{&EncodeWriteOf<order>, &TakeWritten}},
          .finish = &ReleaseDataFile,
          .native = &WriteNatively<order>};
}

Workload Syncing() {
  return {.name = "fsync",
          .prepare = &OpenDataFile,
          .steps = {{[](Lane& lane, vmm::FuseRequest& request) {
            vmm::EncodeFsync(request, lane.node, lane.handle, /*data_only=*/false);
          }}},
          .finish = &ReleaseDataFile,
          .native = [](NativeLane& lane) -> uint64_t {
            MustSucceed(fsync(lane.File(kDataFile)) == 0, "fsync");
            return 1;
          }};
}

Workload GettingAttribute() {
  constexpr uint32_t kRoom = 256;
  return {.name = "getxattr",
          .bytes = kRoom,
          .options = {"-o", "xattr"},
          .needs_attributes = true,
          .prepare = &FindDataFile,
          .steps = {{[](Lane& lane, vmm::FuseRequest& request) {
                       vmm::EncodeGetxattr(request, lane.node, kAttributeName, lane.data);
                     },
                     [](Lane&, const vmm::FuseReply& reply) {
                       return reply.data_bytes == sizeof(kAttributeValue) - 1 ? Next::kStep
                                                                              : Next::kWrong;
                     }}},
          .native = [](NativeLane& lane) -> uint64_t {
            MustSucceed(fgetxattr(lane.File(kDataFile), kAttributeName, lane.data.data(),
                                  lane.data.size()) > 0,
                        "fgetxattr");
            return 1;
          }};
}

}  // namespace

std::vector<Workload> FileWorkloads() {
  return {Reading<Order::kRandom>("read 4 KiB, random", 4096),
          Writing<Order::kRandom>("write 4 KiB, random", 4096),
          Reading<Order::kSequential>("read 128 KiB", 128 * 1024),
          Writing<Order::kSequential>("write 128 KiB", 128 * 1024),
          Reading<Order::kSequential>("read 1 MiB", 1024 * 1024),
          Writing<Order::kSequential>("write 1 MiB", 1024 * 1024),
          Syncing(),
          GettingAttribute()};
}

std::vector<Workload> AllWorkloads() {
  std::vector<Workload> all = NameWorkloads();
  for (auto part : {DirectoryWorkloads(), FileWorkloads(), TraceWorkloads()}) {
    for (Workload& workload : part) all.push_back(std::move(workload));
  }
  return all;
}

}  // namespace postern::bench
