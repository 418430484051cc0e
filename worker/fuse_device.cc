#include "worker/fuse_device.h"

#include <algorithm>
#include <string>
#include <utility>

namespace postern {
namespace {

// File I/O that blocks at the same time: enough to keep a disk busy.
constexpr size_t kMinIoThreads = 4;
constexpr size_t kMaxIoThreads = 16;

}  // namespace

ErrnoOr<std::unique_ptr<FuseDevice>> FuseDevice::Create(std::vector<Channel> channels,
                                                        const FuseOptions& options) {
  std::vector<EventFd> wakes;
  for (size_t i = 0; i < channels.size(); ++i) {
    POSTERN_ASSIGN_OR_RETURN(EventFd wake, EventFd::Create());
    wakes.push_back(std::move(wake));
  }
  const size_t io_threads = std::clamp(2 * channels.size(), kMinIoThreads, kMaxIoThreads);
  std::unique_ptr<FuseDevice> device(new FuseDevice(options, io_threads));
  for (size_t i = 0; i < channels.size(); ++i) {
    device->queues_.push_back(std::make_unique<QueueThread>(
        device->shared_, std::move(channels[i]), std::move(wakes[i]),
        i == 0 ? std::string("hiprio") : "request-" + std::to_string(i)));
  }
  return device;
}

FuseDevice::FuseDevice(const FuseOptions& options, size_t io_threads) : io_pool_(io_threads) {
  shared_.options = options;
  shared_.io_pool = &io_pool_;
}

void FuseDevice::Reset() { queues_.front()->EndSession(); }

}  // namespace postern
