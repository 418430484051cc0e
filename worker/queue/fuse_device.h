// The virtio-fs device: one hiprio queue and the request queues, served alike.
#ifndef POSTERN_WORKER_QUEUE_FUSE_DEVICE_H_
#define POSTERN_WORKER_QUEUE_FUSE_DEVICE_H_

#include <memory>
#include <vector>

#include "common/errno_or.h"
#include "common/rpc/rpc_channel.h"
#include "worker/queue/fuse_queue.h"
#include "worker/queue/io_pool.h"
#include "worker/queue/queue_thread.h"
#include "worker/vhost_user/device_queue.h"

namespace postern {

// Every queue serves every opcode, with replies: some drivers send all on the hiprio queue
// (virtio-fs reference, Windows before 2022). All threads of the worker but the main one are made
// by Create().
class FuseDevice : public Device {
 public:
  // Files that are still open are closed by the pool, which ends first.
  ~FuseDevice() override;

  // One queue per channel, at least 2.
  static ErrnoOr<std::unique_ptr<FuseDevice>> Create(std::vector<RpcChannel> channels,
                                                     const FuseOptions& options);

  // The most private memory that serving takes, in bytes, thread stacks included: what any number
  // of requests of any size comes to, with room to spare. Guest memory is not in it.
  size_t memory_limit() const { return memory_limit_; }

  size_t queue_count() const override { return queues_.size(); }
  DeviceQueue& queue(size_t index) override { return *queues_[index]; }
  void Reset() override;

 private:
  FuseDevice(const FuseOptions& options, size_t waiting);

  size_t memory_limit_ = 0;
  FuseShared shared_;
  IoPool io_pool_;
  std::vector<std::unique_ptr<QueueThread>> queues_;
};

}  // namespace postern

#endif  // POSTERN_WORKER_QUEUE_FUSE_DEVICE_H_
