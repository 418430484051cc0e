// What a guest did once, over and over: see traces/. Each lane does it in a directory of its own,
// which is prepared on the host before, and cleared after, what is measured. That the untar trace
// removes what it has unpacked is part of the trace.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/bench/prepare.h"
#include "tests/bench/replay.h"
#include "tests/bench/share_content.h"
#include "tests/bench/workload.h"

namespace postern::bench {
namespace {

namespace fs = std::filesystem;

constexpr char kUntar[] = "untar";
constexpr char kGitStatus[] = "git-status";

template <const char* name>
const absl::StatusOr<Trace>& Load() {
  static const absl::StatusOr<Trace> trace =
      LoadTrace(std::string(POSTERN_TRACES) + "/" + name + ".trace");
  return trace;
}

fs::path DirectoryOf(const Lane& lane, const std::string& trace) {
  return fs::path(lane.share) / (trace + "-" + std::to_string(lane.index));
}

// Makes the directory hold what the trace begins with, and nothing else.
absl::Status Restore(const Trace& trace, const fs::path& directory) {
  std::error_code error;
  std::set<fs::path> wanted;
  std::set<fs::path> there;
  for (const TraceFile& file : trace.files) wanted.insert(directory / file.path);
  fs::create_directories(directory, error);
  std::vector<fs::path> surplus;
  for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
    if (wanted.contains(entry.path())) {
      there.insert(entry.path());
    } else {
      surplus.push_back(entry.path());
    }
  }
  for (const fs::path& path : surplus) fs::remove_all(path, error);
  for (const TraceFile& file : trace.files) {
    const fs::path path = directory / file.path;
    if (error || there.contains(path)) continue;
    if (file.is_directory) {
      fs::create_directory(path, error);
    } else {
      std::ofstream(path).close();
      fs::resize_file(path, file.size, error);
    }
  }
  if (!error) return absl::OkStatus();
  return absl::InternalError(directory.string() + ": " + error.message());
}

template <const char* name>
absl::Status Prepare(Lane& lane) {
  const auto& trace = Load<name>();
  if (!trace.ok()) return trace.status();
  const fs::path directory = DirectoryOf(lane, name);
  if (auto status = Restore(*trace, directory); !status.ok()) return status;
  if (auto status = FindDirectory(lane, directory.filename().c_str()); !status.ok()) return status;
  lane.replay = std::make_shared<Replay>(*trace, lane.directory);
  return absl::OkStatus();
}

template <const char* name>
absl::Status Finish(Lane& lane) {
  if (auto status = lane.replay->Abandon(*lane.client); !status.ok()) return status;
  return Restore(*Load<name>(), DirectoryOf(lane, name));
}

// Each request is an operation: what is measured is the stream of them.
template <const char* name>
Workload Replaying() {
  const auto& trace = Load<name>();
  return {
      .name = std::string(name) + " trace",
      .bytes = trace.ok() ? static_cast<uint32_t>(trace->largest) : 0,
      .prepare = &Prepare<name>,
      .steps = {{.encode = [](Lane& lane,
                              vmm::FuseRequest& request) { lane.replay->Encode(lane, request); },
                 .take = [](Lane& lane,
                            const vmm::FuseReply& reply) { return lane.replay->Take(lane, reply); },
                 .takes_errors = true}},
      .finish = &Finish<name>};
}

}  // namespace

std::vector<Workload> TraceWorkloads() { return {Replaying<kUntar>(), Replaying<kGitStatus>()}; }

}  // namespace postern::bench
