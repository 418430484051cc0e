#include "tests/bench/runner.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/prepare.h"

namespace postern::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Operations of one queue in one measurement, before its record of latencies grows.
constexpr size_t kExpectedOperations = size_t{1} << 20;

// All lanes of one queue. Prepare() and Finish() on any thread, Run() on one.
class QueueRunner {
 public:
  QueueRunner(Session& session, size_t queue, const Workload& workload, size_t depth)
      : session_(session), queue_(session.queue(queue)), workload_(workload), lanes_(depth) {
    for (size_t i = 0; i < depth; ++i) {
      Lane& lane = lanes_[i].lane;
      lanes_[i].runner = this;
      lane.index = (session.position() * session.queue_count() + queue) * depth + i;
      lane.lanes = session.crew() * session.queue_count() * depth;
      lane.random = lane.index + 1;
      lane.client = &session.client(queue);
      lane.share = session.share();
    }
  }

  absl::Status Prepare() {
    latencies_.reserve(kExpectedOperations);
    const size_t first = session_.position() * session_.queue_count() * lanes_.size();
    for (Running& running : lanes_) {
      if (workload_.bytes > 0) {
        auto data = session_.Buffer(running.lane.index - first, workload_.bytes);
        if (!data.ok()) return data.status();
        running.lane.data = *data;
      }
      if (workload_.prepare == nullptr) continue;
      if (auto status = workload_.prepare(running.lane); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  void Run(Clock::time_point begin, Clock::time_point end) {
    end_ = end;
    waited_ = -queue_.waited();
    for (Running& running : lanes_) BeginOperation(running);
    while (queue_.in_flight() > 0) {
      if (auto reaped = queue_.Wait(); !reaped.ok()) {
        Fail("waiting for replies: " + reaped.error().Message());
        return;
      }
    }
    waited_ += queue_.waited();
    took_ = Clock::now() - begin;
  }

  absl::Status Finish() {
    if (!failure_.empty()) return absl::InternalError(failure_);
    for (Running& running : lanes_) {
      if (workload_.finish == nullptr) continue;
      if (auto status = workload_.finish(running.lane); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  uint64_t units() const {
    uint64_t sum = 0;
    for (const Running& running : lanes_) sum += running.lane.units;
    return sum;
  }
  const std::vector<float>& latencies() const { return latencies_; }
  double busy_percent() const {
    return 100 *
           (1 - std::chrono::duration<double>(waited_) / std::chrono::duration<double>(took_));
  }

 private:
  struct Running {
    QueueRunner* runner = nullptr;
    Lane lane;
    size_t step = 0;
    Clock::time_point begun;
  };

  static void Completed(void* context, const vmm::FuseReply& reply) {
    Running& running = *static_cast<Running*>(context);
    running.runner->OnReply(running, reply);
  }

  void OnReply(Running& running, const vmm::FuseReply& reply) {
    const Step& step = workload_.steps[running.step];
    if (reply.error != 0 && !step.takes_errors) return Fail(Errno(reply.error).Message());
    switch (step.take == nullptr ? Next::kStep : step.take(running.lane, reply)) {
      case Next::kWrong:
        return Fail("a wrong answer");
      case Next::kRepeat:
        break;
      case Next::kStep:
        ++running.step;
        break;
    }
    if (running.step < workload_.steps.size()) return Submit(running);

    const Clock::time_point now = Clock::now();
    latencies_.push_back(std::chrono::duration<float, std::micro>(now - running.begun).count());
    ++running.lane.turn;
    if (workload_.unit == "op") ++running.lane.units;
    if (now < end_ && failure_.empty()) BeginOperation(running);
  }

  void BeginOperation(Running& running) {
    running.step = 0;
    running.begun = Clock::now();
    Submit(running);
  }

  void Submit(Running& running) {
    vmm::FuseRequest* request = queue_.Begin();
    if (request == nullptr) return Fail("no request slot");
    workload_.steps[running.step].encode(running.lane, *request);
    if (auto submitted = queue_.Submit(*request, &Completed, &running); !submitted.ok()) {
      Fail("submitting: " + submitted.error().Message());
    }
  }

  void Fail(std::string reason) {
    if (failure_.empty()) failure_ = workload_.name + ": " + std::move(reason);
  }

  Session& session_;
  vmm::FuseQueue& queue_;
  const Workload& workload_;
  std::vector<Running> lanes_;
  Clock::time_point end_;
  Clock::duration took_{1};
  Clock::duration waited_{0};
  std::vector<float> latencies_;
  std::string failure_;
};

Measurement Summarize(uint64_t units, std::vector<float> latencies, double seconds, double cpu) {
  Measurement result;
  result.per_second = static_cast<double>(units) / seconds;
  result.cpu_microseconds = cpu / static_cast<double>(std::max<uint64_t>(units, 1));
  std::sort(latencies.begin(), latencies.end());
  result.p50_microseconds = static_cast<double>(latencies[latencies.size() / 2]);
  result.p99_microseconds = static_cast<double>(latencies[latencies.size() * 99 / 100]);
  return result;
}

double OwnCpuMicroseconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto microseconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

}  // namespace

absl::StatusOr<Measurement> Run(Session& session, const Workload& workload, size_t depth,
                                std::chrono::milliseconds duration) {
  std::vector<std::unique_ptr<QueueRunner>> runners;
  for (size_t queue = 0; queue < session.queue_count(); ++queue) {
    runners.push_back(std::make_unique<QueueRunner>(session, queue, workload, depth));
    if (auto status = runners.back()->Prepare(); !status.ok()) return status;
  }
  const double cpu_before = session.CpuMicroseconds();
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + duration;
  std::vector<std::thread> threads;
  for (size_t queue = 1; queue < runners.size(); ++queue) {
    threads.emplace_back([&runner = *runners[queue], begin, end] { runner.Run(begin, end); });
  }
  runners[0]->Run(begin, end);
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> took = Clock::now() - begin;
  const double cpu = session.CpuMicroseconds() - cpu_before;

  uint64_t units = 0;
  double busy = 0;
  std::vector<float> latencies;
  for (const auto& runner : runners) {
    if (auto status = runner->Finish(); !status.ok()) return status;
    units += runner->units();
    busy += runner->busy_percent() / static_cast<double>(runners.size());
    latencies.insert(latencies.end(), runner->latencies().begin(), runner->latencies().end());
  }
  Measurement result = Summarize(units, std::move(latencies), took.count(), cpu);
  result.front_end_percent = busy;
  return result;
}

absl::StatusOr<Measurement> RunTogether(const std::vector<std::unique_ptr<Session>>& crew,
                                        const Workload& workload, size_t depth,
                                        std::chrono::milliseconds duration) {
  if (crew.size() == 1) return Run(*crew.front(), workload, depth, duration);
  std::vector<absl::StatusOr<Measurement>> all(crew.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < crew.size(); ++i) {
    threads.emplace_back([&, i] { all[i] = Run(*crew[i], workload, depth, duration); });
  }
  for (std::thread& thread : threads) thread.join();
  Measurement sum;
  std::vector<double> medians;
  for (const absl::StatusOr<Measurement>& one : all) {
    if (!one.ok()) return one.status();
    medians.push_back(one->p50_microseconds);
    sum.p99_microseconds = std::max(sum.p99_microseconds, one->p99_microseconds);
    sum.per_second += one->per_second;
    sum.cpu_microseconds += one->cpu_microseconds * one->per_second;
    sum.front_end_percent += one->front_end_percent / static_cast<double>(crew.size());
  }
  sum.p50_microseconds = Median(std::move(medians));
  sum.cpu_microseconds /= sum.per_second;
  return sum;
}

absl::StatusOr<Measurement> RunNatively(const std::string& share, const Workload& workload,
                                        std::chrono::milliseconds duration) {
  const UniqueFd root(open(share.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return Failed("opening the shared directory", Errno::Last());
  NativeLane lane;
  lane.root = root.get();
  lane.data.resize(workload.bytes);
  uint64_t units = 0;
  std::vector<float> latencies;
  const double cpu_before = OwnCpuMicroseconds();
  const Clock::time_point begin = Clock::now();
  Clock::time_point last = begin;
  while (last < begin + duration) {
    units += workload.native(lane);
    ++lane.turn;
    const Clock::time_point now = Clock::now();
    latencies.push_back(std::chrono::duration<float, std::micro>(now - last).count());
    last = now;
  }
  const std::chrono::duration<double> took = last - begin;
  return Summarize(units, std::move(latencies), took.count(), OwnCpuMicroseconds() - cpu_before);
}

}  // namespace postern::bench
