#include "tests/bench/benchmark.h"

#include <absl/strings/str_format.h>
#include <sys/vfs.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <regex>
#include <thread>
#include <utility>

#include "tests/bench/prepare.h"
#include "tests/bench/runner.h"
#include "tests/bench/share_content.h"

namespace postern::bench {
namespace {

constexpr char kNative[] = "native";

// Before a daemon is called idle: longer than anybody polls.
constexpr std::chrono::milliseconds kSettling(500);

// Has the daemon know `count` inodes more.
absl::Status LookUpMany(Session& session, uint64_t count) {
  if (count == 0) return absl::OkStatus();
  Lane lane;
  lane.client = &session.client(0);
  if (auto status = FindDirectory(lane, kManyDirectory); !status.ok()) return status;
  for (uint64_t i = 0; i < count; ++i) {
    const auto entry = lane.client->Lookup(lane.directory, FileName(i));
    if (!entry.ok()) return Failed("lookup", entry.error());
  }
  return absl::OkStatus();
}

Place PlaceOf(const Settings& settings) {
  const auto placement = [&settings] {
    if (settings.daemon_cpu < 0 && settings.front_end_cpu < 0) return Place::Placement::kFree;
    if (settings.daemon_cpu == settings.front_end_cpu) return Place::Placement::kOneCpu;
    return settings.daemon_cpu < 0 || settings.front_end_cpu < 0 ? Place::Placement::kOther
                                                                 : Place::Placement::kApart;
  };
  return {placement(), settings.neighbours > 0};
}

bool NeedsAttributes(const Workload& workload) { return workload.needs_attributes; }

std::string FilesystemName(const std::string& path) {
  struct statfs status {};
  statfs(path.c_str(), &status);
  switch (status.f_type) {
    case 0x01021994:
      return "tmpfs";
    case 0xef53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    case 0x9123683e:
      return "btrfs";
    case 0x794c7630:
      return "overlayfs";
    default:
      return absl::StrFormat("filesystem type 0x%x", status.f_type);
  }
}

absl::Status Named(const Daemon& daemon, const absl::Status& status) {
  return absl::InternalError(daemon.name + ": " + std::string(status.message()));
}

}  // namespace

Benchmark::Benchmark(const Settings& settings)
    : settings_(settings), scratch_(settings.directory), share_(scratch_.path()) {
  const std::regex wanted(settings.filter);
  for (Workload& workload : AllWorkloads()) {
    if (std::regex_search(workload.name, wanted)) workloads_.push_back(std::move(workload));
  }
}

absl::StatusOr<Report> Benchmark::Run() {
  if (auto status = PrepareShare(share_); !status.ok()) return status;
  if (!HasAttribute(share_) && std::erase_if(workloads_, &NeedsAttributes) > 0) {
    Note("the filesystem has no extended attributes of users: no getxattr");
  }
  const uint64_t many = std::max(settings_.known_inodes, settings_.memory_inodes);
  if (auto status = PrepareManyFiles(share_, many); !status.ok()) return status;
  MakeRows();
  if (auto status = neighbours_.Start(settings_.neighbours, settings_.daemon_cpu); !status.ok()) {
    return status;
  }
  if (auto status = RunRounds(); !status.ok()) return status;
  for (const Daemon& daemon : settings_.daemons) {
    if (auto status = MeasureMemory(daemon); !status.ok()) return status;
  }
  for (const Daemon& daemon : settings_.daemons) {
    if (auto status = MeasureIdle(daemon); !status.ok()) return status;
  }
  return report_;
}

void Benchmark::MakeRows() {
  report_.baselines = settings_.baselines;
  report_.machine = DescribeMachine();
  report_.place = PlaceOf(settings_);
  getloadavg(&report_.load, 1);
  report_.filesystem =
      absl::StrFormat("%s, %d rounds of %d ms, %d inodes known before", FilesystemName(share_),
                      settings_.rounds, settings_.milliseconds, settings_.known_inodes);
  for (const Workload& workload : workloads_) {
    for (const size_t queues : settings_.queues) {
      for (const size_t depth : settings_.depths) {
        Row row{.workload = workload.name,
                .unit = workload.unit,
                .depth = depth,
                .queues = queues,
                .bytes = workload.moves_data ? workload.bytes : 0,
                .contenders = {}};
        for (const Daemon& daemon : settings_.daemons) row.contenders.push_back({daemon.name, {}});
        if (HasFloor(workload, depth, queues)) row.contenders.push_back({kNative, {}});
        report_.rows.push_back(std::move(row));
      }
    }
  }
}

bool Benchmark::HasFloor(const Workload& workload, size_t depth, size_t queues) const {
  return settings_.native && workload.native != nullptr && depth == settings_.depths[0] &&
         queues == settings_.queues[0];
}

void Benchmark::Note(std::string text) {
  auto& notes = report_.notes;
  if (std::ranges::find(notes, text) == notes.end()) notes.push_back(std::move(text));
}

Row& Benchmark::FindRow(size_t workload, size_t queues, size_t depth) {
  return report_
      .rows[(workload * settings_.queues.size() + queues) * settings_.depths.size() + depth];
}

absl::StatusOr<std::unique_ptr<Session>> Benchmark::StartSession(
    const Daemon& daemon, const std::vector<std::string>& options, size_t queues,
    size_t position) const {
  Session::Options session{.command = daemon.command,
                           .share = share_,
                           .queues = queues,
                           .daemon_cpu = settings_.daemon_cpu,
                           .front_end_cpu = settings_.front_end_cpu,
                           .front_end_polls = settings_.front_end_polls,
                           .crew = static_cast<size_t>(settings_.together),
                           .position = position};
  session.command.insert(session.command.end(), options.begin(), options.end());
  return Session::Start(session);
}

absl::Status Benchmark::RunRounds() {
  for (int round = 0; round < settings_.rounds; ++round) {
    for (size_t queues = 0; queues < settings_.queues.size(); ++queues) {
      for (size_t first = 0; first < workloads_.size();) {
        size_t end = first;
        while (end < workloads_.size() && workloads_[end].options == workloads_[first].options) {
          ++end;
        }
        if (auto status = RunGroup({first, end}, queues, static_cast<size_t>(round));
            !status.ok()) {
          return status;
        }
        first = end;
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Benchmark::Crew> Benchmark::StartCrew(const Daemon& daemon,
                                                     const std::vector<std::string>& options,
                                                     size_t queues) {
  Crew crew;
  for (size_t position = 0; position < static_cast<size_t>(settings_.together); ++position) {
    auto session = StartSession(daemon, options, queues, position);
    if (absl::IsUnimplemented(session.status())) {
      Note(daemon.name + " doesn't offer " + std::to_string(queues) + " request queues");
      return Crew();
    }
    if (!session.ok()) return Named(daemon, session.status());
    if (auto status = LookUpMany(**session, settings_.known_inodes); !status.ok()) {
      Note(absl::StrFormat("%s can't know %d inodes: %s", daemon.name, settings_.known_inodes,
                           status.message()));
      return Crew();
    }
    crew.push_back(std::move(*session));
  }
  return crew;
}

absl::StatusOr<std::vector<Benchmark::Crew>> Benchmark::StartCrews(
    const std::vector<std::string>& options, size_t queues) {
  std::vector<Crew> crews;
  for (const Daemon& daemon : settings_.daemons) {
    auto crew = StartCrew(daemon, options, queues);
    if (!crew.ok()) return crew.status();
    crews.push_back(std::move(*crew));
  }
  return crews;
}

absl::Status Benchmark::RunGroup(Group group, size_t queues, size_t round) {
  auto crews = StartCrews(workloads_[group.first].options, settings_.queues[queues]);
  if (!crews.ok()) return crews.status();
  for (size_t workload = group.first; workload < group.end; ++workload) {
    for (size_t depth = 0; depth < settings_.depths.size(); ++depth) {
      Row& row = FindRow(workload, queues, depth);
      for (size_t i = 0; i < crews->size(); ++i) {
        const size_t daemon = (i + round) % crews->size();
        if ((*crews)[daemon].empty()) continue;
        auto one = RunTogether((*crews)[daemon], workloads_[workload], settings_.depths[depth],
                               std::chrono::milliseconds(settings_.milliseconds));
        if (!one.ok()) return Named(settings_.daemons[daemon], one.status());
        row.contenders[daemon].series.push_back(*one);
      }
    }
    if (auto status = RunFloor(workload, queues); !status.ok()) return status;
  }
  for (size_t daemon = 0; daemon < crews->size(); ++daemon) {
    for (const auto& session : (*crews)[daemon]) {
      if (auto status = session->Stop(); !status.ok()) {
        return Named(settings_.daemons[daemon], status);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Benchmark::RunFloor(size_t workload, size_t queues) {
  if (!HasFloor(workloads_[workload], settings_.depths[0], settings_.queues[queues])) {
    return absl::OkStatus();
  }
  auto one =
      RunNatively(share_, workloads_[workload], std::chrono::milliseconds(settings_.milliseconds));
  if (!one.ok()) return one.status();
  FindRow(workload, queues, 0).contenders.back().series.push_back(*one);
  return absl::OkStatus();
}

absl::Status Benchmark::MeasureMemory(const Daemon& daemon) {
  if (settings_.memory_inodes == 0) return absl::OkStatus();
  auto session = StartSession(daemon, {}, 1);
  if (!session.ok()) return session.status();
  // A daemon that holds a descriptor for each may not be allowed as many.
  if (auto status = LookUpMany(**session, settings_.memory_inodes); !status.ok()) {
    report_.memory.push_back({.contender = daemon.name,
                              .inodes = settings_.memory_inodes,
                              .failure = std::string(status.message())});
  } else {
    report_.memory.push_back({daemon.name, settings_.memory_inodes, (*session)->MemoryBytes(), {}});
  }
  return (*session)->Stop();
}

absl::Status Benchmark::MeasureIdle(const Daemon& daemon) {
  if (settings_.idle_seconds == 0) return absl::OkStatus();
  auto session = StartSession(daemon, {}, 1);
  if (!session.ok()) return session.status();
  // A burst of requests, so that whatever adapts to load has seen some.
  auto burst = bench::Run(**session, NameWorkloads().front(), settings_.depths.back(),
                          std::chrono::milliseconds(settings_.milliseconds));
  if (!burst.ok()) return burst.status();
  std::this_thread::sleep_for(kSettling);
  const double before = (*session)->CpuMicroseconds();
  std::this_thread::sleep_for(std::chrono::seconds(settings_.idle_seconds));
  const double used = (*session)->CpuMicroseconds() - before;
  report_.idle.push_back(
      {daemon.name, settings_.idle_seconds, used / 1e4 / settings_.idle_seconds});
  return (*session)->Stop();
}

}  // namespace postern::bench
