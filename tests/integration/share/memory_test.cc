// The memory table: several regions, odd addresses, memory that comes and goes while rings run.
#include <array>
#include <cstring>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::FrontEnd;
using vmm::GuestMemory;
using vmm::HandleOf;
using vmm::NodeOf;

class MemoryTest : public ShareFixture {
 protected:
  void SetUp() override {
    ShareFixture::SetUp();
    WriteHost("file", Pattern(100'000, 1));
  }
  void OpenFile() {
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
    node_ = NodeOf(entry);
    ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(node_, O_RDWR));
    handle_ = HandleOf(opened);
  }
  void ExpectToReadInto(const vmm::GuestBuffer& buffer) {
    ASSERT_OK_AND_ASSIGN(const size_t count, fuse().Read(node_, handle_, 0, buffer));
    ASSERT_EQ(count, buffer.size());
    const std::string expected = Pattern(100'000, 1);
    EXPECT_EQ(std::memcmp(buffer.bytes.data(), expected.data(), count), 0);
  }

  NodeId node_{0};
  vmm::FuseHandle handle_{0};
};

TEST_F(MemoryTest, RegionsAboveFourGigabytesAtAnOffsetOfTheirFileWork) {
  Setup setup;
  setup.front_end.regions = {
      {.guest_base = 0, .size = size_t{32} << 20},
      {.guest_base = uint64_t{5} << 32, .size = size_t{32} << 20, .file_offset = 0x200000}};
  setup.front_end.queue.region = 1;  // The rings above, requests below.
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  ASSERT_NO_FATAL_FAILURE(OpenFile());
  ASSERT_OK_AND_ASSIGN(const vmm::GuestBuffer high,
                       front_end().memory().Allocate(100'000, 4096, /*region=*/1));
  EXPECT_GE(high.address.value(), uint64_t{5} << 32);
  ExpectToReadInto(high);
}

TEST_F(MemoryTest, EightRegionsInOneTableWork) {
  Setup setup;
  setup.front_end.memory_messages = FrontEnd::MemoryMessages::kSetMemTable;
  setup.front_end.regions.clear();
  for (uint64_t i = 0; i < 8; ++i) {
    setup.front_end.regions.push_back({.guest_base = i << 32, .size = size_t{16} << 20});
  }
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  ASSERT_NO_FATAL_FAILURE(OpenFile());
  for (size_t i = 0; i < 8; ++i) {
    ASSERT_OK_AND_ASSIGN(const vmm::GuestBuffer buffer,
                         front_end().memory().Allocate(8192, 4096, i));
    ExpectToReadInto(buffer);
  }
}

TEST_F(MemoryTest, RegionAddedWhileRingsRunIsUsedAndRemoved) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  ASSERT_NO_FATAL_FAILURE(OpenFile());
  const GuestMemory::RegionLayout layout{.guest_base = uint64_t{1} << 40, .size = 1 << 20};
  ASSERT_OK_AND_ASSIGN(const auto added, GuestMemory::Create(std::span(&layout, 1)));
  ASSERT_OK(front_end().client().AddMemReg(added->regions()[0]));
  ASSERT_OK_AND_ASSIGN(const vmm::GuestBuffer buffer, added->Allocate(65536));
  ExpectToReadInto(buffer);
  ASSERT_OK(front_end().client().RemMemReg(added->regions()[0]));
  EXPECT_OK(fuse().Getattr(node_));
}

TEST_F(MemoryTest, RemovedRegionIsUnmappedEverywhere) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  const auto mappings = [&] {
    size_t count = 0;
    for (const vmm::ProcessInfo& process : daemon().Processes()) {
      const std::string maps = vmm::Maps(process.pid);
      for (size_t at = maps.find(GuestMemory::kFileName); at != std::string::npos;
           at = maps.find(GuestMemory::kFileName, at + 1)) {
        ++count;
      }
    }
    return count;
  };
  const size_t before = mappings();
  EXPECT_GT(before, 0u);
  const GuestMemory::RegionLayout layout{.guest_base = uint64_t{1} << 40, .size = 1 << 20};
  ASSERT_OK_AND_ASSIGN(const auto added, GuestMemory::Create(std::span(&layout, 1)));
  ASSERT_OK(front_end().client().AddMemReg(added->regions()[0]));
  EXPECT_GT(mappings(), before);
  ASSERT_OK(front_end().client().RemMemReg(added->regions()[0]));
  EXPECT_EQ(mappings(), before);
}

TEST_F(MemoryTest, OverlappingRegionIsRefused) {
  POSTERN_ONLY("virtiofsd ends after a nack");
  ASSERT_NO_FATAL_FAILURE(Start({}));
  const GuestMemory::RegionLayout layout{.guest_base = 4096, .size = 1 << 20};
  ASSERT_OK_AND_ASSIGN(const auto overlapping, GuestMemory::Create(std::span(&layout, 1)));
  EXPECT_ERRNO(front_end().client().AddMemReg(overlapping->regions()[0]), EREMOTEIO);
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

}  // namespace
}  // namespace postern
