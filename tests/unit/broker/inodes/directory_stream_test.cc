#include "broker/inodes/directory_stream.h"

#include <fcntl.h>

#include <vector>

#include "tests/unit/broker/filesystem_fixture.h"

namespace postern {
namespace {

class DirectoryStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 200; ++i) {
      share_.Write("name" + std::to_string(i));
      names_.insert("name" + std::to_string(i));
    }
    fd_.Reset(open(share_.Path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    stream_.emplace(budget_);
  }
  void TearDown() override {
    stream_.reset();
    EXPECT_EQ(budget_.used(), 0u);
  }

  // The next `count` names from `offset` on, less at the end; moves `offset` past them.
  std::vector<std::string> Read(uint64_t& offset, size_t count) {
    size_t left = count;
    const auto portion = stream_->Read(fd_.get(), offset, buffer_, [&](const DirectoryRecord&) {
      if (left == 0) return false;
      --left;
      return true;
    });
    EXPECT_TRUE(portion.ok());
    std::vector<std::string> names;
    for (std::span<const std::byte> records = portion->records; !records.empty();) {
      const DirectoryRecord record = DirectoryRecord::Take(records);
      offset = record.next_offset;
      names.emplace_back(record.name);
    }
    return names;
  }
  // All names from `offset` on, without the dots.
  std::multiset<std::string> ReadRest(uint64_t offset, size_t portion) {
    std::multiset<std::string> all;
    for (;;) {
      const std::vector<std::string> names = Read(offset, portion);
      if (names.empty()) return all;
      for (const std::string& name : names) {
        if (name != "." && name != "..") all.insert(name);
      }
    }
  }
  void RemoveAll() {
    for (const std::string& name : names_) unlink(share_.Path(name).c_str());
  }

  const SharedDirectory share_;
  std::multiset<std::string> names_;
  UniqueFd fd_;
  Budget budget_{100'000};
  std::optional<DirectoryStream> stream_;
  alignas(8) std::array<std::byte, 32 * 1024> buffer_;
};

TEST_F(DirectoryStreamTest, SmallPortionsListEachNameOnce) {
  EXPECT_EQ(ReadRest(0, 1), names_);
  EXPECT_EQ(ReadRest(0, 7), names_);
  EXPECT_EQ(ReadRest(0, 1000), names_);
}

TEST_F(DirectoryStreamTest, OneCallOfTheKernelServesManyPortions) {
  uint64_t offset = 0;
  EXPECT_EQ(Read(offset, 5).size(), 5u);
  EXPECT_GT(budget_.used(), 0u);
  RemoveAll();
  size_t more = 0;
  for (size_t read; (read = Read(offset, 5).size()) != 0;) more += read;
  EXPECT_EQ(more, names_.size() + 2 - 5);
  EXPECT_EQ(budget_.used(), 0u) << "at the end nothing is kept";
}

TEST_F(DirectoryStreamTest, RewindingSeesWhatIsNew) {
  uint64_t offset = 0;
  Read(offset, 5);
  RemoveAll();
  share_.Write("new");
  EXPECT_EQ(ReadRest(0, 5), std::multiset<std::string>{"new"});
  unlink(share_.Path("new").c_str());
  EXPECT_EQ(ReadRest(0, 5), std::multiset<std::string>{});
}

TEST_F(DirectoryStreamTest, SeekingBackReadsAgain) {
  uint64_t offset = 0;
  const auto first = Read(offset, 10);
  const uint64_t tenth = offset;
  const auto second = Read(offset, 10);
  Read(offset, 10);
  offset = tenth;
  EXPECT_EQ(Read(offset, 10), second);
  offset = 0;
  EXPECT_EQ(Read(offset, 10), first);
}

TEST_F(DirectoryStreamTest, TwoReadersOfOneStreamDoNotDisturbEachOther) {
  std::multiset<std::string> a, b;
  uint64_t a_offset = 0, b_offset = 0;
  for (;;) {
    const auto a_names = Read(a_offset, 3), b_names = Read(b_offset, 11);
    if (a_names.empty() && b_names.empty()) break;
    a.insert(a_names.begin(), a_names.end());
    b.insert(b_names.begin(), b_names.end());
  }
  names_.insert({".", ".."});
  EXPECT_EQ(a, names_);
  EXPECT_EQ(b, names_);
}

TEST_F(DirectoryStreamTest, NothingKeptIsReadAgain) {
  Budget none(0);
  stream_.emplace(none);
  EXPECT_EQ(ReadRest(0, 7), names_);
  EXPECT_EQ(none.used(), 0u);
}

TEST_F(DirectoryStreamTest, WhatIsKeptIsGivenBackWithTheStream) {
  uint64_t offset = 0;
  Read(offset, 1);
  EXPECT_GT(budget_.used(), 0u);
  stream_.reset();
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(DirectoryStreamTest, SmallBufferHoldsWhatFits) {
  uint64_t offset = 0;
  Read(offset, 1);
  const auto portion = stream_->Read(fd_.get(), offset, std::span(buffer_).first(1500),
                                     [](const DirectoryRecord&) { return true; });
  ASSERT_TRUE(portion.ok());
  EXPECT_FALSE(portion->records.empty());
  EXPECT_LE(portion->records.size(), 1500u);
}

TEST_F(DirectoryStreamTest, FirstRecordThatDoesNotFitIsACutAndNoEnd) {
  const auto portion =
      stream_->Read(fd_.get(), 0, buffer_, [](const DirectoryRecord&) { return false; });
  ASSERT_TRUE(portion.ok());
  EXPECT_TRUE(portion->records.empty());
  EXPECT_TRUE(portion->cut);
  EXPECT_EQ(ReadRest(0, 7), names_);
}

TEST_F(DirectoryStreamTest, OffsetBeyondOffTThatNobodyHasGivenIsTheEndAndHarmless) {
  const auto portion =
      stream_->Read(fd_.get(), UINT64_MAX, buffer_, [](const DirectoryRecord&) { return true; });
  ASSERT_TRUE(portion.ok());
  EXPECT_TRUE(portion->records.empty());
  EXPECT_FALSE(portion->cut);
  EXPECT_EQ(ReadRest(0, 7), names_);
}

}  // namespace
}  // namespace postern
