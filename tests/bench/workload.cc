#include "tests/bench/workload.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>

#include "tests/vmm/fuse_requests.h"

namespace postern::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kFileName[] = "data";
constexpr uint64_t kFileBytes = uint64_t{64} << 20;
constexpr uint64_t kRootId = FUSE_ROOT_ID;

// The file's content at an offset that is a multiple of 8: the offset, mixed.
uint64_t WordAt(uint64_t offset) { return (offset + 1) * 0x9e3779b97f4a7c15U; }

// One request slot of the depth: submits itself again from its own completion until time is up.
struct Lane {
  class Runner* runner = nullptr;
  vmm::GuestBuffer data;
  uint64_t offset = 0;
  Clock::time_point submitted = {};
};

class Runner {
 public:
  Runner(Session& session, const Workload& workload, size_t depth)
      : session_(session), workload_(workload), lanes_(depth) {}

  absl::Status Prepare() {
    auto entry = session_.client().Lookup(NodeId(kRootId), kFileName);
    if (!entry.ok()) return Failed("lookup", entry.error());
    node_ = vmm::NodeOf(*entry);
    auto opened = session_.client().Open(node_, O_RDWR);
    if (!opened.ok()) return Failed("open", opened.error());
    handle_ = vmm::HandleOf(*opened);
    for (Lane& lane : lanes_) {
      lane.runner = this;
      if (workload_.bytes == 0) continue;
      auto data = session_.queue().memory().Allocate(workload_.bytes, 4096);
      if (!data.ok()) return Failed("guest memory", data.error());
      lane.data = *data;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Measurement> Run(std::chrono::milliseconds duration) {
    const double cpu_before = session_.CpuMicroseconds();
    const Clock::time_point begin = Clock::now();
    end_ = begin + duration;
    for (Lane& lane : lanes_) Submit(lane);
    while (session_.queue().in_flight() > 0) {
      if (auto reaped = session_.queue().Wait(); !reaped.ok()) {
        return Failed("waiting for replies", reaped.error());
      }
    }
    const std::chrono::duration<double> took = Clock::now() - begin;
    if (failed_) return absl::InternalError(workload_.name + ": " + failure_);
    if (auto released = session_.client().Release(node_, handle_); !released.ok()) {
      return Failed("release", released.error());
    }
    return Summarize(took.count(), session_.CpuMicroseconds() - cpu_before);
  }

 private:
  absl::Status Failed(const char* step, Errno error) const {
    return absl::InternalError(workload_.name + ": " + step + ": " + error.Message());
  }

  static void Completed(void* context, const vmm::FuseReply& reply) {
    Lane& lane = *static_cast<Lane*>(context);
    lane.runner->OnReply(lane, reply);
  }

  void OnReply(Lane& lane, const vmm::FuseReply& reply) {
    const Clock::time_point now = Clock::now();
    latencies_.push_back(std::chrono::duration<float, std::micro>(now - lane.submitted).count());
    if (reply.error != 0) {
      Fail(Errno(reply.error).Message());
    } else if (workload_.kind == Workload::Kind::kRead) {
      CheckRead(lane, reply);
    }
    if (now < end_ && !failed_) Submit(lane);
  }

  void CheckRead(const Lane& lane, const vmm::FuseReply& reply) {
    uint64_t first = 0;
    uint64_t last = 0;
    std::memcpy(&first, lane.data.bytes.data(), sizeof(first));
    std::memcpy(&last, lane.data.bytes.data() + workload_.bytes - sizeof(last), sizeof(last));
    if (reply.data_bytes != workload_.bytes || first != WordAt(lane.offset) ||
        last != WordAt(lane.offset + workload_.bytes - sizeof(last))) {
      Fail("wrong data");
    }
  }

  void Fail(std::string reason) {
    failed_ = true;
    failure_ = std::move(reason);
  }

  void Submit(Lane& lane) {
    vmm::FuseRequest* request = session_.queue().Begin();
    if (request == nullptr) return Fail("no request slot");
    // A linear congruential generator: the same offsets for every daemon.
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    switch (workload_.kind) {
      case Workload::Kind::kGetattr:
        vmm::EncodeGetattr(*request, node_, std::nullopt);
        break;
      case Workload::Kind::kLookup:
        vmm::EncodeLookup(*request, NodeId(kRootId), kFileName);
        break;
      case Workload::Kind::kRead:
        lane.offset = (random_ >> 20) % (kFileBytes / workload_.bytes) * workload_.bytes;
        vmm::EncodeRead(*request, node_, handle_, lane.offset, lane.data);
        break;
      case Workload::Kind::kWrite: {
        lane.offset = (random_ >> 20) % (kFileBytes / workload_.bytes) * workload_.bytes;
        for (uint64_t at = 0; at < workload_.bytes; at += sizeof(uint64_t)) {
          const uint64_t word = WordAt(lane.offset + at);
          std::memcpy(lane.data.bytes.data() + at, &word, sizeof(word));
        }
        vmm::EncodeWrite(*request, node_, handle_, lane.offset, lane.data);
        break;
      }
    }
    lane.submitted = Clock::now();
    if (auto submitted = session_.queue().Submit(*request, &Completed, &lane); !submitted.ok()) {
      Fail("submitting: " + submitted.error().Message());
    }
  }

  Measurement Summarize(double seconds, double cpu) {
    Measurement result;
    const double count = static_cast<double>(latencies_.size());
    result.per_second = count / seconds;
    result.cpu_microseconds = cpu / count;
    std::sort(latencies_.begin(), latencies_.end());
    result.p50_microseconds = static_cast<double>(latencies_[latencies_.size() / 2]);
    result.p99_microseconds = static_cast<double>(latencies_[latencies_.size() * 99 / 100]);
    return result;
  }

  Session& session_;
  const Workload& workload_;
  std::vector<Lane> lanes_;
  NodeId node_;
  vmm::FuseHandle handle_{0};
  Clock::time_point end_;
  uint64_t random_ = 1;
  std::vector<float> latencies_;
  bool failed_ = false;
  std::string failure_;
};

}  // namespace

std::vector<Workload> AllWorkloads() {
  using Kind = Workload::Kind;
  return {{"getattr", Kind::kGetattr},         {"lookup of a known name", Kind::kLookup},
          {"read 4 KiB", Kind::kRead, 4096},   {"read 128 KiB", Kind::kRead, 128 * 1024},
          {"write 4 KiB", Kind::kWrite, 4096}, {"write 128 KiB", Kind::kWrite, 128 * 1024}};
}

absl::Status PrepareShare(const std::string& share) {
  std::ofstream file(share + "/" + kFileName, std::ios::binary);
  std::vector<uint64_t> block(8192);
  for (uint64_t offset = 0; offset < kFileBytes; offset += block.size() * sizeof(uint64_t)) {
    for (size_t i = 0; i < block.size(); ++i) block[i] = WordAt(offset + i * sizeof(uint64_t));
    // Safe because bytes may be seen as characters.
    file.write(reinterpret_cast<const char*>(block.data()),
               static_cast<std::streamsize>(block.size() * sizeof(uint64_t)));
  }
  file.close();
  if (!file) return absl::InternalError("can't write " + share + "/" + kFileName);
  return absl::OkStatus();
}

absl::StatusOr<Measurement> Run(Session& session, const Workload& workload, size_t depth,
                                std::chrono::milliseconds duration) {
  Runner runner(session, workload, depth);
  if (auto status = runner.Prepare(); !status.ok()) return status;
  return runner.Run(duration);
}

}  // namespace postern::bench
