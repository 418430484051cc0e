#include "worker/virtio/descriptor_chain.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace postern {
namespace {

iovec Range(std::string& text) { return {text.data(), text.size()}; }

// A chain that reads "hello" and writes five bytes, in three pieces each.
class DescriptorChainTest : public testing::Test {
 protected:
  void SetUp() override {
    chain_.Reset(7);
    for (std::string& piece : in_) chain_.AddReadable(Range(piece));
    for (std::string& piece : out_) chain_.AddWritable(Range(piece));
  }
  // What CopyFromGuest() gives, or "-".
  std::string Copy(size_t offset, size_t size) const {
    std::string text(size, '?');
    return chain_.CopyFromGuest(offset, std::as_writable_bytes(std::span(text))) ? text : "-";
  }
  bool Write(size_t offset, std::string_view text) {
    return chain_.CopyToGuest(offset, std::as_bytes(std::span(text)));
  }
  std::string Written() const { return out_[0] + out_[1] + out_[2]; }

  std::array<std::string, 3> in_ = {"he", "l", "lo"};
  std::array<std::string, 3> out_ = {"..", ".", ".."};
  DescriptorChain chain_;
};

TEST_F(DescriptorChainTest, CountsBothParts) {
  EXPECT_EQ(chain_.head(), 7);
  EXPECT_EQ(chain_.readable_bytes(), 5u);
  EXPECT_EQ(chain_.writable_bytes(), 5u);
}

TEST_F(DescriptorChainTest, ReadsAcrossPieces) {
  EXPECT_EQ(Copy(0, 5), "hello");
  EXPECT_EQ(Copy(1, 3), "ell");
  EXPECT_EQ(Copy(4, 1), "o");
  EXPECT_EQ(Copy(5, 0), "");
}

TEST_F(DescriptorChainTest, ReadPastTheEndFails) {
  EXPECT_EQ(Copy(0, 6), "-");
  EXPECT_EQ(Copy(5, 1), "-");
  EXPECT_EQ(Copy(6, 0), "-");
  EXPECT_EQ(Copy(SIZE_MAX, 2), "-");
}

TEST_F(DescriptorChainTest, WritesAcrossPieces) {
  EXPECT_TRUE(Write(1, "abc"));
  EXPECT_EQ(Written(), ".abc.");
}

TEST_F(DescriptorChainTest, WritePastTheEndWritesNothing) {
  EXPECT_FALSE(Write(3, "abc"));
  EXPECT_FALSE(Write(SIZE_MAX, "ab"));
  EXPECT_EQ(Written(), ".....");
}

TEST_F(DescriptorChainTest, AppendGivesTheRangesOfAPart) {
  std::vector<iovec> ranges = {{nullptr, 1}};
  EXPECT_TRUE(chain_.AppendReadable(1, 3, ranges));
  ASSERT_EQ(ranges.size(), 4u);
  EXPECT_EQ(ranges[1].iov_base, &in_[0][1]);
  EXPECT_EQ(ranges[1].iov_len, 1u);
  EXPECT_EQ(ranges[2].iov_base, &in_[1][0]);
  EXPECT_EQ(ranges[3].iov_base, &in_[2][0]);
  EXPECT_EQ(ranges[3].iov_len, 1u);

  EXPECT_TRUE(chain_.AppendWritable(3, 2, ranges));
  ASSERT_EQ(ranges.size(), 5u);
  EXPECT_EQ(ranges[4].iov_base, &out_[2][0]);
  EXPECT_EQ(ranges[4].iov_len, 2u);
}

TEST_F(DescriptorChainTest, AppendPastTheEndAppendsNothing) {
  std::vector<iovec> ranges;
  EXPECT_FALSE(chain_.AppendReadable(0, 6, ranges));
  EXPECT_FALSE(chain_.AppendWritable(4, 2, ranges));
  EXPECT_TRUE(ranges.empty());
}

TEST_F(DescriptorChainTest, ResetForgetsAll) {
  chain_.Reset(1);
  EXPECT_EQ(chain_.readable_bytes(), 0u);
  EXPECT_EQ(chain_.writable_bytes(), 0u);
  EXPECT_EQ(Copy(0, 1), "-");
  EXPECT_FALSE(Write(0, "a"));
}

}  // namespace
}  // namespace postern
