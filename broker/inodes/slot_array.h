// Numbered places whose numbers are never given out twice.
#ifndef POSTERN_BROKER_INODES_SLOT_ARRAY_H_
#define POSTERN_BROKER_INODES_SLOT_ARRAY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

namespace postern {

// An index and how often that slot had been used before. A key whose slot has been emptied never
// matches again.
struct SlotKey {
  uint32_t index = 0;
  uint32_t generation = 0;
  friend bool operator==(SlotKey, SlotKey) = default;
};

// Holds pointer-like values (empty when false) in numbered slots. Not thread-safe: one shard of a
// table. Grows without moving what it holds, so that no insert copies the whole array under a lock.
template <typename Pointer>
class SlotArray {
 public:
  // Indices stay below `max_slots`.
  explicit SlotArray(uint32_t max_slots) : max_slots_(max_slots) {}

  // Before the first Insert().
  void set_max_slots(uint32_t max_slots) { max_slots_ = max_slots; }

  // Precondition: `value` isn't empty. Nothing if all slots are taken or used up.
  std::optional<SlotKey> Insert(Pointer value) {
    uint32_t index = first_free_;
    if (index != kNone) {
      first_free_ = slots_[index].next_free;
    } else {
      if (slots_.size() >= max_slots_) return std::nullopt;
      index = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    }
    slots_[index].value = std::move(value);
    ++used_;
    return SlotKey{index, slots_[index].generation};
  }

  // The value at `key`, or null if the key is none, or one of the past.
  Pointer* Find(SlotKey key) {
    if (key.index >= slots_.size()) return nullptr;
    Slot& slot = slots_[key.index];
    return slot.generation == key.generation && slot.value ? &slot.value : nullptr;
  }

  // Empties the slot and returns what was in it: destroy that outside of locks. Precondition:
  // Find(key).
  Pointer Remove(SlotKey key) {
    Slot& slot = slots_[key.index];
    Pointer value = std::move(slot.value);
    slot.value = Pointer();
    --used_;
    // A slot whose generation would wrap is retired: its first key must not come back to life.
    if (slot.generation != std::numeric_limits<uint32_t>::max()) {
      ++slot.generation;
      slot.next_free = std::exchange(first_free_, key.index);
    }
    return value;
  }

  size_t used() const { return used_; }

  // For tests: what a slot looks like after `generation` uses. Precondition: the slot is free.
  void SetGenerationForTest(uint32_t index, uint32_t generation) {
    slots_[index].generation = generation;
  }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  struct Slot {
    uint32_t generation = 0;
    uint32_t next_free = kNone;
    Pointer value{};
  };

  uint32_t max_slots_;
  uint32_t first_free_ = kNone;
  size_t used_ = 0;
  std::deque<Slot> slots_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_INODES_SLOT_ARRAY_H_
