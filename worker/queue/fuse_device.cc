#include "worker/queue/fuse_device.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <utility>

namespace postern {
namespace {

// Kata asks for one thread whatever the host is, and a thread that sleeps costs next to nothing.
constexpr size_t kMinWaiting = 4;

// Descriptors that aren't the guest's files. Standard streams, control channel, connection, those
// of its messages, the descriptors of one message of the broker's, the I/O threads' (FLUSH), and a
// margin.
constexpr size_t kProcessDescriptors = 32 + 2 * kMaxMessageDescriptors;
// Channel, doorbell and the broker's; kick, call and error, and what replaces them.
constexpr size_t kQueueDescriptors = 9;

// How many files the guest may have open: what FLUSH and a new connection's memory need is set
// aside, so that a guest at the limit only can't open more. At least one.
size_t OpenFileLimit(size_t queues, size_t io_threads) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 1;
  const size_t own = kProcessDescriptors + io_threads + queues * kQueueDescriptors;
  return limit.rlim_cur > own ? limit.rlim_cur - own : 1;
}

// What the bound on the process's own memory is made of, each with room to spare. Queue: 1,024
// requests of 1 MiB in flight, whose chains have up to 300 parts of 16 bytes, in vectors that may
// be half empty, are 10 MiB; what is on its way to the broker and back is below 4 MiB. File: a
// GuestFile and its place in a table that is just growing are below 400 bytes. The process:
// libraries, and what the allocator's heaps hold in reserve.
constexpr size_t kQueueBytes = 64 << 20;
constexpr size_t kFileBytes = 512;
constexpr size_t kProcessBytes = 128 << 20;

// Of each thread, all of it from the beginning.
size_t StackBytes() {
  pthread_attr_t attributes;
  size_t size = 0;
  pthread_attr_init(&attributes);
  pthread_attr_getstacksize(&attributes, &size);
  pthread_attr_destroy(&attributes);
  return size;
}

size_t MemoryLimit(size_t queues, size_t io_threads, size_t files) {
  return kProcessBytes + queues * kQueueBytes + files * kFileBytes +
         (queues + io_threads) * StackBytes();
}

}  // namespace

ErrnoOr<std::unique_ptr<FuseDevice>> FuseDevice::Create(std::vector<RpcChannel> channels,
                                                        const FuseOptions& options) {
  // What wakes a queue's thread, whoever has something for it.
  std::vector<EventFd> wakes;
  for (RpcChannel& channel : channels) wakes.push_back(channel.TakeDoorbell());
  const size_t waiting = std::max(options.io_waiting, kMinWaiting);
  const size_t io_threads = IoPool::ThreadsFor(waiting);
  std::unique_ptr<FuseDevice> device(new FuseDevice(options, waiting));
  const size_t files = OpenFileLimit(channels.size(), io_threads);
  device->shared_.open_files.set_limit(files);
  device->memory_limit_ = MemoryLimit(channels.size(), io_threads, files);
  for (size_t i = 0; i < channels.size(); ++i) {
    device->queues_.push_back(std::make_unique<QueueThread>(
        device->shared_, std::move(channels[i]), std::move(wakes[i]),
        i == 0 ? std::string("hiprio") : "request-" + std::to_string(i)));
  }
  return device;
}

FuseDevice::FuseDevice(const FuseOptions& options, size_t waiting) : io_pool_(waiting) {
  shared_.options = options;
  shared_.io_pool = &io_pool_;
  shared_.open_files.set_closer([this](ClosingFile file) { io_pool_.Close(std::move(file)); });
}

FuseDevice::~FuseDevice() {
  queues_.clear();
  shared_.open_files.Clear();
}

void FuseDevice::Reset() { queues_.front()->EndSession(); }

}  // namespace postern
