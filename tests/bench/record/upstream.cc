#include "tests/bench/record/upstream.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/checked.h"
#include "common/mutex_lock.h"

namespace postern::bench {
namespace {

// Linux's longest request: 256 pages and its headers and names.
constexpr size_t kRoom = (size_t{1} << 20) + 64 * 1024;

absl::Status Failed(const char* what, Errno error) {
  return absl::InternalError(std::string(what) + ": " + error.Message());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Upstream>> Upstream::Start(std::vector<std::string> command) {
  std::unique_ptr<Upstream> upstream(new Upstream);
  vmm::DaemonProcess::Options process;
  process.socket_path = upstream->directory_.Path("socket");
  process.stderr_path = upstream->directory_.Path("stderr");
  process.command = std::move(command);
  process.command.push_back("--socket-path=" + process.socket_path);
  auto daemon = vmm::DaemonProcess::Start(process);
  if (!daemon.ok()) return daemon.status();
  upstream->daemon_ = std::move(*daemon);
  auto socket = upstream->daemon_->Connect();
  if (!socket.ok()) return socket.status();
  auto front_end = vmm::FrontEnd::Connect(std::move(*socket), {});
  if (!front_end.ok()) return front_end.status();
  upstream->front_end_ = std::move(*front_end);
  if (auto status = upstream->front_end_->Start(); !status.ok()) return status;
  vmm::GuestMemory& memory = upstream->front_end_->memory();
  auto queue = vmm::FuseQueue::Create(memory, upstream->front_end_->queue(1),
                                      {.hangup_fd = upstream->front_end_->client().fd()});
  if (!queue.ok()) return Failed("creating a queue", queue.error());
  for (vmm::GuestBuffer* buffer : {&upstream->request_, &upstream->answer_}) {
    auto allocated = memory.Allocate(kRoom);
    if (!allocated.ok()) return Failed("guest memory", allocated.error());
    *buffer = *allocated;
  }
  MutexLock lock(upstream->mutex_);
  upstream->queue_ = std::move(*queue);
  return upstream;
}

std::span<const std::byte> Upstream::Call(std::span<const std::byte> request, size_t room,
                                          std::vector<std::byte>& answer) {
  MutexLock lock(mutex_);
  if (request.size() > kRoom || room > kRoom) {
    std::fprintf(stderr, "a request of %zu and %zu bytes\n", request.size(), room);
    std::exit(1);
  }
  std::ranges::copy(request, request_.bytes.begin());
  const vmm::Segment readable{request_.address, Narrow<uint32_t>(request.size())};
  const vmm::Segment writable{answer_.address, Narrow<uint32_t>(room)};
  size_t written = 0;
  const auto completed = [](void* context, const vmm::FuseReply& reply) {
    *static_cast<size_t*>(context) = reply.data_bytes;
  };
  auto submitted = queue_->SubmitRaw(std::span(&readable, 1),
                                     std::span(&writable, room > 0 ? 1 : 0), completed, &written);
  while (submitted.ok() && queue_->in_flight() > 0) {
    if (auto reaped = queue_->Wait(); !reaped.ok()) submitted = reaped.error();
  }
  if (!submitted.ok()) {
    std::fprintf(stderr, "the daemon doesn't answer: %s\n", submitted.error().Message().c_str());
    std::exit(1);
  }
  answer.assign(answer_.bytes.begin(),
                answer_.bytes.begin() + static_cast<ptrdiff_t>(std::min(written, room)));
  recorder_.Add(request, answer);
  return answer;
}

absl::Status Upstream::Stop() {
  front_end_->Disconnect();
  if (daemon_->WaitForExit() == 0) return absl::OkStatus();
  return absl::InternalError("the daemon didn't end with status 0:\n" + daemon_->Output());
}

}  // namespace postern::bench
