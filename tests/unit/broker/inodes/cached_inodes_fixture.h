// An inode table with a cache of descriptors, and files that are only numbers.
#ifndef POSTERN_TESTS_UNIT_BROKER_INODES_CACHED_INODES_FIXTURE_H_
#define POSTERN_TESTS_UNIT_BROKER_INODES_CACHED_INODES_FIXTURE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "broker/inodes/inode_table.h"
#include "tests/unit/open_descriptors.h"

namespace postern {

class CachedInodesTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    Start(1600);  // 100 for the cache.
  }
  void TearDown() override {
    table_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
    EXPECT_EQ(budget_->cached(), 0u);
    EXPECT_EQ(budget_->used(), 0u);
  }

  void Start(size_t descriptors) {
    table_.reset();
    budget_.emplace(descriptors);
    budget_->SetCacheAside();
    InodeParts root;
    root.key.identity = {1, 1, 1};
    root.type = S_IFDIR;
    root.path.fd = Path();
    table_.emplace(std::move(root), nullptr, &*budget_);
  }
  static UniqueFd Path() { return UniqueFd(open("/", O_PATH | O_CLOEXEC)); }

  // A file of that number, and the how-manieth with it.
  InodeRef Insert(uint64_t number, bool with_spare = true, uint8_t generation = 0,
                  mode_t type = S_IFREG) {
    const std::array<std::byte, 9> bytes = HandleOf(number, generation);
    InodeParts parts;
    parts.key = {{1, number, 1}, FileHandleView{1, bytes}};
    parts.type = type;
    if (with_spare) parts.spare = Path();
    return *table_->InsertOrFind(std::move(parts));
  }
  // The same without a handle. The descriptor is that of the root directory, and so will be the
  // handle that is asked for in the end. None if the table wants the handle.
  InodeRef InsertWithoutHandle(uint64_t number, size_t handle_room = 128) {
    InodeParts parts;
    parts.key.identity = {1, number, 1};
    parts.type = S_IFREG;
    parts.spare = Path();
    parts.handle_room = handle_room;
    const InodeRef inode = *table_->InsertOrFindPinned(parts);
    EXPECT_EQ(parts.spare.valid(), !inode) << "as it was";
    return inode;
  }
  InodeRef FindByIdentity(uint64_t number) { return FindByIdentity(number, table_->Now()); }
  InodeRef FindByIdentity(uint64_t number, InodeTable::Stamp before) {
    return table_->FindAndCount({{1, number, 1}, std::nullopt}, S_IFREG, before);
  }
  InodeRef FindByHandle(uint64_t number, uint8_t generation = 0) {
    return FindByHandle(number, generation, table_->Now());
  }
  InodeRef FindByHandle(uint64_t number, uint8_t generation, InodeTable::Stamp before) {
    const std::array<std::byte, 9> bytes = HandleOf(number, generation);
    return table_->FindAndCount({{1, number, 1}, FileHandleView{1, bytes}}, S_IFREG, before);
  }
  size_t CountCached(uint64_t first, uint64_t last) {
    size_t count = 0;
    for (uint64_t number = first; number <= last; ++number) count += FindByIdentity(number) ? 1 : 0;
    return count;
  }

  std::set<std::string> before_;
  std::optional<DescriptorBudget> budget_;
  std::optional<InodeTable> table_;

 private:
  static std::array<std::byte, 9> HandleOf(uint64_t number, uint8_t generation) {
    std::array<std::byte, 9> bytes{std::byte{generation}};
    for (size_t i = 0; i < 8; ++i) bytes[i + 1] = static_cast<std::byte>(number >> (8 * i));
    return bytes;
  }
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_INODES_CACHED_INODES_FIXTURE_H_
