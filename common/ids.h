// Numbers that must not be mixed up, each with a type of its own.
#ifndef POSTERN_COMMON_IDS_H_
#define POSTERN_COMMON_IDS_H_

#include <compare>
#include <cstdint>
#include <utility>

namespace postern {

// An integer that converts to and from others only where somebody wrote so.
template <typename Tag, typename Integer>
class StrongId {
 public:
  constexpr StrongId() = default;
  explicit constexpr StrongId(Integer value) : value_(value) {}
  constexpr Integer value() const { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  Integer value_ = 0;
};

// What FUSE calls nodeid: slot in the low 32 bits, generation in the high 32. Never reused within a
// session. 0 is "none".
using NodeId = StrongId<struct NodeIdTag, uint64_t>;
inline constexpr NodeId kRootNodeId{1};  // FUSE_ROOT_ID

// What FUSE calls fh: an entry of the broker's open-file table, slot and generation as in NodeId. 0
// is "none".
using OpenFileId = StrongId<struct OpenFileIdTag, uint64_t>;

// Ids as the guest names them, and as the host knows them. Only the broker's id map turns one into
// the other.
using GuestUid = StrongId<struct GuestUidTag, uint32_t>;
using GuestGid = StrongId<struct GuestGidTag, uint32_t>;
using HostUid = StrongId<struct HostUidTag, uint32_t>;
using HostGid = StrongId<struct HostGidTag, uint32_t>;

}  // namespace postern

#endif  // POSTERN_COMMON_IDS_H_
