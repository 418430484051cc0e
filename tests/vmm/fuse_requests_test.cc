// What a device finds in guest RAM for requests whose layout has choices.
#include "tests/vmm/fuse_requests.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/vmm/fuse_queue.h"

namespace postern::vmm {
namespace {

class FuseRequestsTest : public testing::Test {
 protected:
  void SetUp() override {
    const GuestMemory::RegionLayout layout{.guest_base = 0x100000, .size = 1 << 20};
    auto memory = GuestMemory::Create(std::span(&layout, 1));
    ASSERT_TRUE(memory.ok());
    memory_ = std::move(memory).value();
    auto ring = DriverQueue::Create(*memory_, {.size = 8, .indirect = false});
    ASSERT_TRUE(ring.ok());
    ring_ = std::move(ring).value();
    auto queue = FuseQueue::Create(*memory_, *ring_, {.framing = Framing::kCompact});
    ASSERT_TRUE(queue.ok());
    queue_ = std::move(queue).value();
  }

  // The readable bytes of the first request: its header and what follows.
  template <typename Encode>
  void Submit(Encode&& encode) {
    FuseRequest* request = queue_->Begin();
    ASSERT_NE(request, nullptr);
    encode(*request);
    ASSERT_TRUE(queue_->Submit(*request, nullptr, nullptr).ok());
    const auto* table = reinterpret_cast<const vring_desc*>(
        memory_->HostPointer(ring_->descriptor_address(), 8 * sizeof(vring_desc)));
    std::string bytes;
    for (const vring_desc* at = table; (at->flags & VRING_DESC_F_WRITE) == 0;
         at = table + at->next) {
      const auto* text =
          reinterpret_cast<const char*>(memory_->HostPointer(GuestAddress(at->addr), at->len));
      bytes.append(text, at->len);
      if ((at->flags & VRING_DESC_F_NEXT) == 0) break;
    }
    ASSERT_GE(bytes.size(), sizeof(header_));
    std::memcpy(&header_, bytes.data(), sizeof(header_));
    body_ = bytes.substr(sizeof(header_));
    EXPECT_EQ(header_.len, bytes.size());
  }
  uint32_t Word(size_t at) const {
    uint32_t value = 0;
    EXPECT_LE(at + sizeof(value), body_.size());
    std::memcpy(&value, body_.data() + at, sizeof(value));
    return value;
  }

  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<DriverQueue> ring_;
  std::unique_ptr<FuseQueue> queue_;
  fuse_in_header header_{};
  std::string body_;
};

TEST_F(FuseRequestsTest, WithoutExtensionsNothingFollowsTheName) {
  Submit([](FuseRequest& r) { EncodeMkdir(r, NodeId(1), "abc", {}, {}); });
  EXPECT_EQ(body_.size(), 8 + 4u);
  EXPECT_EQ(header_.total_extlen, 0);
}

TEST_F(FuseRequestsTest, ASecurityContextPrecedesTheGroupAndBothArePadded) {
  Credentials who;
  who.supplementary_group = GuestGid(77);
  who.security_contexts = {SecurityContext{"security.x", "label"}};
  Submit([&](FuseRequest& r) { EncodeMkdir(r, NodeId(1), "abc", {}, who); });
  // Record header, size of the value, name with its NUL, value: 8 + 8 + 11 + 5, a multiple of 8.
  EXPECT_EQ(Word(12), 32u);
  EXPECT_EQ(Word(16), 1u);
  EXPECT_EQ(Word(20), 5u);
  EXPECT_EQ(body_.substr(28, 16), std::string("security.x\0label", 16));
  EXPECT_EQ(Word(44), 16u);
  EXPECT_EQ(Word(48), kFuseExtGroups);
  EXPECT_EQ(Word(52), 1u);
  EXPECT_EQ(Word(56), 77u);
  EXPECT_EQ(body_.size(), 60u);
  EXPECT_EQ(header_.total_extlen, (32 + 16) / 8);
}

TEST_F(FuseRequestsTest, NoContextIsARecordOfItsHeaderOnly) {
  Credentials who;
  who.security_contexts.emplace();
  Submit([&](FuseRequest& r) { EncodeSymlink(r, NodeId(1), "a", "b", who); });
  EXPECT_EQ(body_.size(), 4 + 8u);
  EXPECT_EQ(Word(4), 8u);
  EXPECT_EQ(Word(8), 0u);
  EXPECT_EQ(header_.total_extlen, 1);
}

TEST_F(FuseRequestsTest, TheShortSetxattrHasNoExtendedFlags) {
  auto value = memory_->Allocate(3);
  ASSERT_TRUE(value.ok());
  std::memcpy(value->bytes.data(), "xyz", 3);
  Submit([&](FuseRequest& r) {
    EncodeSetxattr(r, NodeId(1), "user.a", *value, {.flags = 2, .setxattr_flags = 1},
                   SetxattrForm::kShort);
  });
  EXPECT_EQ(body_, std::string("\3\0\0\0\2\0\0\0user.a\0xyz", 18));
}

TEST_F(FuseRequestsTest, TheExtendedSetxattrHasThem) {
  auto value = memory_->Allocate(3);
  ASSERT_TRUE(value.ok());
  std::memcpy(value->bytes.data(), "xyz", 3);
  Submit([&](FuseRequest& r) {
    EncodeSetxattr(r, NodeId(1), "user.a", *value, {.flags = 2, .setxattr_flags = 1},
                   SetxattrForm::kExtended);
  });
  EXPECT_EQ(body_, std::string("\3\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0user.a\0xyz", 26));
}

}  // namespace
}  // namespace postern::vmm
