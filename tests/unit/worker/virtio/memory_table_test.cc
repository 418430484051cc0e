#include "worker/virtio/memory_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>

#include "common/unique_fd.h"
#include "tests/unit/open_descriptors.h"
#include "tests/unit/worker/guest_memory.h"

namespace postern {
namespace {

constexpr uint64_t kPage = 4096;

MemoryRegionSettings Region(uint64_t guest, uint64_t size, uint64_t front_end,
                            uint64_t offset = 0) {
  return {GuestAddress(guest), size, FrontEndAddress(front_end), offset};
}

UniqueFd File(uint64_t size) {
  UniqueFd fd(memfd_create("region", MFD_CLOEXEC));
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) abort();
  return fd;
}

// How many mappings of memfd "region" this process has.
size_t Mappings() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("memfd:region") != std::string::npos;
  return count;
}

class MemoryTableTest : public testing::Test {
 protected:
  void SetUp() override { before_ = OpenDescriptors(); }
  void TearDown() override {
    fd_.Reset();
    EXPECT_EQ(OpenDescriptors(), before_);
    EXPECT_EQ(Mappings(), 0u);
  }
  // The error of adding a region to `table`.
  int Add(const std::shared_ptr<const MemoryTable>& table, const MemoryRegionSettings& region) {
    return table->With({region, fd_.get()}).errno_value();
  }

  std::set<std::string> before_ = {};
  UniqueFd fd_ = {};
};

TEST_F(MemoryTableTest, RefusesImpossibleRegions) {
  fd_ = File(4 * kPage);
  const auto empty = MemoryTable::Empty();
  EXPECT_EQ(Add(empty, Region(0, 0, 0)), EINVAL);
  EXPECT_EQ(Add(empty, Region(UINT64_MAX - kPage + 1, kPage, 0)), EINVAL);
  EXPECT_EQ(Add(empty, Region(0, kPage, UINT64_MAX - kPage + 1)), EINVAL);
  EXPECT_EQ(Add(empty, Region(0, kPage, 0, UINT64_MAX - kPage + 1)), EINVAL);
  EXPECT_EQ(Add(empty, Region(0, kPage, 0, uint64_t{INT64_MAX})), EINVAL);
  EXPECT_EQ(Add(empty, Region(0, UINT64_MAX, 0)), EINVAL);
  EXPECT_EQ(Add(empty, Region(UINT64_MAX - kPage, kPage, 0)), 0);
}

TEST_F(MemoryTableTest, RefusesAFileThatEndsBeforeTheRegion) {
  fd_ = File(4 * kPage);
  const auto empty = MemoryTable::Empty();
  EXPECT_EQ(Add(empty, Region(0, 4 * kPage + 1, 0)), EINVAL);
  EXPECT_EQ(Add(empty, Region(0, kPage, 0, 3 * kPage + 1)), EINVAL);
  EXPECT_EQ(Add(empty, Region(0, 4 * kPage, 0)), 0);
}

TEST_F(MemoryTableTest, RefusesDescriptorsThatCantBeWritten) {
  const UniqueFd writable = File(kPage);
  fd_.Reset(
      open(("/proc/self/fd/" + std::to_string(writable.get())).c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(Add(MemoryTable::Empty(), Region(0, kPage, 0)), EACCES);
  fd_.Reset();
  EXPECT_EQ(Add(MemoryTable::Empty(), Region(0, kPage, 0)), EBADF);
}

TEST_F(MemoryTableTest, RefusesOverlapInEitherSpace) {
  fd_ = File(4 * kPage);
  const auto table = *MemoryTable::Empty()->With({Region(0x10000, 2 * kPage, 0x50000), fd_.get()});
  EXPECT_EQ(Add(table, Region(0x10000, 2 * kPage, 0x90000)), EEXIST);
  EXPECT_EQ(Add(table, Region(0x11fff, kPage, 0x90000)), EEXIST);
  EXPECT_EQ(Add(table, Region(0xf001, kPage, 0x90000)), EEXIST);
  EXPECT_EQ(Add(table, Region(0x20000, kPage, 0x51fff)), EEXIST);
  EXPECT_EQ(Add(table, Region(0xf000, kPage, 0x52000)), 0);
  EXPECT_EQ(Add(table, Region(0x12000, kPage, 0x4f000)), 0);
}

TEST_F(MemoryTableTest, TakesAsManyRegionsAsItSaysAndNoMore) {
  fd_ = File(kPage);
  std::vector<MemoryTable::NewRegion> regions;
  for (uint64_t i = 0; i < MemoryTable::kMaxRegions; ++i) {
    regions.push_back({Region(i * kPage, kPage, i * kPage), fd_.get()});
  }
  const auto full = *MemoryTable::Of(regions);
  EXPECT_EQ(full->region_count(), 509u);
  EXPECT_EQ(Add(full, Region(510 * kPage, kPage, 510 * kPage)), ENOSPC);
}

TEST_F(MemoryTableTest, FailedReplacementKeepsNothingMapped) {
  fd_ = File(kPage);
  const MemoryTable::NewRegion regions[] = {{Region(0, kPage, 0), fd_.get()},
                                            {Region(0, kPage, kPage), fd_.get()}};
  EXPECT_EQ(MemoryTable::Of(regions).errno_value(), EEXIST);
  EXPECT_EQ(Mappings(), 0u);
}

TEST_F(MemoryTableTest, RemovesOnlyTheExactRegion) {
  fd_ = File(4 * kPage);
  const auto table =
      *MemoryTable::Empty()->With({Region(0x10000, 2 * kPage, 0x50000, kPage), fd_.get()});
  EXPECT_EQ(table->Without(Region(0x11000, 2 * kPage, 0x50000)).errno_value(), ENOENT);
  EXPECT_EQ(table->Without(Region(0x10000, kPage, 0x50000)).errno_value(), ENOENT);
  EXPECT_EQ(table->Without(Region(0x10000, 2 * kPage, 0x51000)).errno_value(), ENOENT);
  // The offset doesn't count.
  const auto rest = table->Without(Region(0x10000, 2 * kPage, 0x50000, 77));
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ((*rest)->region_count(), 0u);
}

TEST_F(MemoryTableTest, SnapshotKeepsItsRegionsMapped) {
  fd_ = File(kPage);
  std::optional table = *MemoryTable::Empty()->With({Region(0x10000, kPage, 0x50000), fd_.get()});
  fd_.Reset();
  std::byte* const host = *(*table)->HostAddress(FrontEndAddress(0x50000), kPage);
  const auto after = *(*table)->Without(Region(0x10000, kPage, 0x50000));
  EXPECT_EQ(Mappings(), 1u);
  host[kPage - 1] = std::byte{1};  // Would die if it were unmapped.

  table.reset();

  EXPECT_EQ(Mappings(), 0u);
}

TEST_F(MemoryTableTest, MapsFromAnOffsetThatIsNoPageBoundary) {
  fd_ = File(4 * kPage);
  ASSERT_EQ(pwrite(fd_.get(), "x", 1, kPage + 100), 1);
  const auto table =
      *MemoryTable::Empty()->With({Region(0x10000, 200, 0x50000, kPage + 100), fd_.get()});
  EXPECT_EQ(**table->HostAddress(FrontEndAddress(0x50000), 200), std::byte{'x'});
}

TEST_F(MemoryTableTest, FrontEndRangeMustLieInOneRegion) {
  fd_ = File(4 * kPage);
  // Adjoining in the front end, apart in the guest.
  const MemoryTable::NewRegion regions[] = {{Region(0x10000, kPage, 0x50000), fd_.get()},
                                            {Region(0x90000, kPage, 0x51000), fd_.get()}};
  const auto table = *MemoryTable::Of(regions);
  EXPECT_TRUE(table->HostAddress(FrontEndAddress(0x50000), kPage).ok());
  EXPECT_TRUE(table->HostAddress(FrontEndAddress(0x51fff), 1).ok());
  EXPECT_EQ(table->HostAddress(FrontEndAddress(0x50000), kPage + 1).errno_value(), EFAULT);
  EXPECT_EQ(table->HostAddress(FrontEndAddress(0x50fff), UINT64_MAX).errno_value(), EFAULT);
  EXPECT_EQ(table->HostAddress(FrontEndAddress(0x4ffff), 1).errno_value(), EFAULT);
  EXPECT_EQ(table->HostAddress(FrontEndAddress(0x52000), 1).errno_value(), EFAULT);
  // A guest-physical address isn't one of the front end's.
  EXPECT_EQ(table->HostAddress(FrontEndAddress(0x10000), 1).errno_value(), EFAULT);
}

// Translate() over the two adjoining regions of GuestMemory.
class TranslateTest : public testing::Test {
 protected:
  bool Translate(uint64_t address, uint64_t size) {
    return table_->Translate(GuestAddress(address), size, ranges_);
  }
  std::byte* Low(uint64_t offset) {
    return *table_->HostAddress(FrontEndAddress(GuestMemory::kFrontEndLow), 1) + offset;
  }
  std::byte* High(uint64_t offset) {
    return *table_->HostAddress(FrontEndAddress(GuestMemory::kFrontEndHigh), 1) + offset;
  }

  GuestMemory memory_;
  std::shared_ptr<const MemoryTable> table_ = memory_.Table();
  std::vector<iovec> ranges_;
};

TEST_F(TranslateTest, GivesOneRangeWithinARegion) {
  ASSERT_TRUE(Translate(GuestMemory::kLow + 3, 10));
  ASSERT_EQ(ranges_.size(), 1u);
  EXPECT_EQ(ranges_[0].iov_base, Low(3));
  EXPECT_EQ(ranges_[0].iov_len, 10u);
}

TEST_F(TranslateTest, SplitsARangeAcrossAdjoiningRegions) {
  ASSERT_TRUE(Translate(GuestMemory::kHigh - 4, 10));
  ASSERT_EQ(ranges_.size(), 2u);
  EXPECT_EQ(ranges_[0].iov_base, Low(GuestMemory::kLowSize - 4));
  EXPECT_EQ(ranges_[0].iov_len, 4u);
  EXPECT_EQ(ranges_[1].iov_base, High(0));
  EXPECT_EQ(ranges_[1].iov_len, 6u);
}

TEST_F(TranslateTest, TakesAllOfTheMemoryAndNotOneByteMore) {
  EXPECT_TRUE(Translate(GuestMemory::kLow, GuestMemory::kEnd - GuestMemory::kLow));
  ranges_.clear();
  EXPECT_FALSE(Translate(GuestMemory::kLow, GuestMemory::kEnd - GuestMemory::kLow + 1));
  EXPECT_FALSE(Translate(GuestMemory::kLow - 1, 2));
  EXPECT_FALSE(Translate(GuestMemory::kEnd, 1));
  EXPECT_FALSE(Translate(GuestMemory::kEnd - 1, UINT64_MAX));
  EXPECT_FALSE(Translate(UINT64_MAX, 2));
  EXPECT_FALSE(Translate(GuestMemory::kFrontEndLow, 1));
  EXPECT_TRUE(ranges_.empty());
}

TEST_F(TranslateTest, NothingIsBackedByNothing) {
  EXPECT_TRUE(Translate(0, 0));
  EXPECT_TRUE(ranges_.empty());
}

TEST(MemoryRegionTest, SeesWhatTheGuestWrites) {
  const GuestMemory memory;
  const auto table = memory.Table();
  memory.Store<char>(GuestMemory::kHigh + 5, 'g');
  std::vector<iovec> ranges;
  ASSERT_TRUE(table->Translate(GuestAddress(GuestMemory::kHigh + 5), 1, ranges));
  EXPECT_EQ(*static_cast<char*>(ranges[0].iov_base), 'g');
}

}  // namespace
}  // namespace postern
