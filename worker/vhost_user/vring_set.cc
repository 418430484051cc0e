#include "worker/vhost_user/vring_set.h"

#include <utility>

#include "common/logging.h"
#include "worker/virtio/virtio_ring.h"

namespace postern {

VringSet::VringSet(Device& device)
    : device_(device), memory_(MemoryTable::Empty()), vrings_(device.queue_count()) {}

VringSet::~VringSet() {
  StopAndDisableAll();
  for (size_t index = 0; index < vrings_.size(); ++index) {
    device_.queue(index).SetCall(UniqueFd());
    device_.queue(index).SetError(UniqueFd());
  }
}

ErrnoOr<VringSet::Vring*> VringSet::Find(uint32_t index) {
  if (index < vrings_.size()) return &vrings_[index];
  LOG_FIRST_N(ERROR, 1) << "the front end sets up queue " << index
                        << ", counted from 0, and there are " << vrings_.size()
                        << ": 1 for urgent requests and those of "
                        << "--request-queues=" << vrings_.size() - 1
                        << "; give it as many as the front end has (QEMU: num-request-queues)";
  return Errno(EINVAL);
}

void VringSet::SetFeatures(uint64_t features) {
  features_ = features;
  if (features & FeatureBit(kVhostUserFeatureProtocolFeatures)) return;
  for (size_t index = 0; index < vrings_.size(); ++index) device_.queue(index).SetEnabled(true);
}

void VringSet::StopQueue(size_t index) {
  Vring& vring = vrings_[index];
  if (!vring.started) return;
  const DeviceQueue::Ring ring = device_.queue(index).Stop();
  vring.started = false;
  if (ring.virtqueue != nullptr) vring.settings.next_avail = ring.virtqueue->next_avail();
}

void VringSet::SetMemory(std::shared_ptr<const MemoryTable> memory) {
  memory_.swap(memory);
  for (size_t index = 0; index < vrings_.size(); ++index) {
    if (vrings_[index].started) device_.queue(index).SetMemory(memory_);
  }
  // Most likely the old one ends here, and no queue waits until it is unmapped.
}

ErrnoOrVoid VringSet::SetSize(uint32_t index, uint32_t size) {
  POSTERN_ASSIGN_OR_RETURN(Vring * vring, Find(index));
  if (vring->started) return Errno(EBUSY);
  // Kept even if refused: should the front end start the ring all the same, that must fail too.
  vring->settings.size = size;
  return SplitRing::IsValidSize(size) ? ErrnoOrVoid() : Errno(EINVAL);
}

ErrnoOrVoid VringSet::SetBase(uint32_t index, uint32_t next_avail) {
  POSTERN_ASSIGN_OR_RETURN(Vring * vring, Find(index));
  if (vring->started) return Errno(EBUSY);
  if (!std::in_range<uint16_t>(next_avail)) return Errno(EINVAL);
  vring->settings.next_avail = static_cast<uint16_t>(next_avail);
  return {};
}

ErrnoOrVoid VringSet::SetAddresses(const VhostUserVringAddresses& addresses) {
  POSTERN_ASSIGN_OR_RETURN(Vring * vring, Find(addresses.index));
  if (addresses.flags != 0) return Errno(EOPNOTSUPP);  // Logging isn't offered.
  VirtqueueSettings& settings = vring->settings;
  const FrontEndAddress descriptor_table(addresses.descriptor_table);
  const FrontEndAddress available_ring(addresses.available_ring);
  const FrontEndAddress used_ring(addresses.used_ring);
  if (vring->started) {
    const bool same = settings.descriptor_table == descriptor_table &&
                      settings.available_ring == available_ring && settings.used_ring == used_ring;
    return same ? ErrnoOrVoid() : Errno(EBUSY);
  }
  settings.descriptor_table = descriptor_table;
  settings.available_ring = available_ring;
  settings.used_ring = used_ring;
  return {};
}

ErrnoOrVoid VringSet::Start(uint32_t index, UniqueFd kick) {
  POSTERN_ASSIGN_OR_RETURN(Vring * vring, Find(index));
  if (vring->started) {
    device_.queue(index).SetKick(std::move(kick));
    return {};
  }
  vring->settings.indirect_descriptors = (features_ & FeatureBit(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
  vring->settings.event_index = (features_ & FeatureBit(VIRTIO_RING_F_EVENT_IDX)) != 0;
  POSTERN_ASSIGN_OR_RETURN(auto virtqueue, Virtqueue::Activate(vring->settings, memory_));
  DeviceQueue& queue = device_.queue(index);
  if (!(features_ & FeatureBit(kVhostUserFeatureProtocolFeatures))) queue.SetEnabled(true);
  vring->started = true;
  queue.Start({std::move(virtqueue), std::move(kick)});
  return {};
}

ErrnoOr<uint16_t> VringSet::Stop(uint32_t index) {
  POSTERN_ASSIGN_OR_RETURN(Vring * vring, Find(index));
  StopQueue(index);  // Notifies for what was in flight, hence before the call descriptor goes.
  device_.queue(index).SetCall(UniqueFd());
  return vring->settings.next_avail;
}

ErrnoOrVoid VringSet::SetEnabled(uint32_t index, uint32_t enabled) {
  POSTERN_RETURN_IF_ERROR(Find(index));
  if (enabled > 1) return Errno(EINVAL);
  device_.queue(index).SetEnabled(enabled == 1);
  return {};
}

ErrnoOrVoid VringSet::SetCall(uint32_t index, UniqueFd call) {
  POSTERN_RETURN_IF_ERROR(Find(index));
  device_.queue(index).SetCall(std::move(call));
  return {};
}

ErrnoOrVoid VringSet::SetError(uint32_t index, UniqueFd error) {
  POSTERN_RETURN_IF_ERROR(Find(index));
  device_.queue(index).SetError(std::move(error));
  return {};
}

void VringSet::DisableAll() {
  for (size_t index = 0; index < vrings_.size(); ++index) device_.queue(index).SetEnabled(false);
}

void VringSet::StopAndDisableAll() {
  for (size_t index = 0; index < vrings_.size(); ++index) StopQueue(index);
  DisableAll();
}

}  // namespace postern
