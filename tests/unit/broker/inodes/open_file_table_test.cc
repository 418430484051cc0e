#include "broker/inodes/open_file_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/unit/open_descriptors.h"

namespace postern {
namespace {

constexpr NodeId kNode{70};
constexpr NodeId kOtherNode{71};
using Kind = OpenFile::Kind;

class OpenFileTableTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    table_.emplace();
  }
  void TearDown() override {
    table_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
    EXPECT_EQ(budget_.used(), 0u);
  }

  OpenFileId Insert(Kind kind = Kind::kFile) {
    BudgetedFd fd{*budget_.Take(), UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC))};
    return *table_->Insert(std::make_shared<OpenFile>(kNode, kind, O_RDONLY, std::move(fd)));
  }

  DescriptorBudget budget_{100};
  std::set<std::string> before_;
  std::optional<OpenFileTable> table_;
};

TEST_F(OpenFileTableTest, FindsAnOpenFile) {
  const OpenFileId id = Insert();
  const auto file = table_->Get(id, kNode, Kind::kFile);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->node(), kNode);
  EXPECT_GE(fcntl((*file)->fd(), F_GETFD), 0);
}

// A guest keeps its ids while the process is replaced.
TEST_F(OpenFileTableTest, IdIsTheSameInEveryProcess) {
  const OpenFileId first = Insert();
  EXPECT_EQ(first, OpenFileId(0x1e));
  EXPECT_EQ(Insert(), OpenFileId(0x2e));
  ASSERT_TRUE(table_->Remove(first, kNode, Kind::kFile).ok());
  EXPECT_EQ(Insert(), OpenFileId(uint64_t{1} << 32 | 0x1e));
}

TEST_F(OpenFileTableTest, IdOfAnotherNodeIsBad) {
  const OpenFileId id = Insert();
  EXPECT_EQ(table_->Get(id, kOtherNode).errno_value(), EBADF);
  EXPECT_EQ(table_->Remove(id, kOtherNode, Kind::kFile).errno_value(), EBADF);
  EXPECT_TRUE(table_->Get(id, kNode).ok());
}

TEST_F(OpenFileTableTest, IdOfTheOtherKindIsBad) {
  const OpenFileId file = Insert(Kind::kFile);
  const OpenFileId directory = Insert(Kind::kDirectory);
  EXPECT_EQ(table_->Get(file, kNode, Kind::kDirectory).errno_value(), EBADF);
  EXPECT_EQ(table_->Get(directory, kNode, Kind::kFile).errno_value(), EBADF);
  EXPECT_EQ(table_->Remove(file, kNode, Kind::kDirectory).errno_value(), EBADF);
  EXPECT_EQ(table_->Remove(directory, kNode, Kind::kFile).errno_value(), EBADF);
  EXPECT_EQ(table_->size(), 2u);
}

TEST_F(OpenFileTableTest, NodeHasAnOpenFileUntilTheLastIsReleased) {
  EXPECT_EQ(table_->AnyOf(kNode), nullptr);
  const OpenFileId file = Insert(Kind::kFile);
  const OpenFileId directory = Insert(Kind::kDirectory);
  EXPECT_EQ(table_->AnyOf(kOtherNode), nullptr);
  EXPECT_EQ(table_->AnyOf(NodeId(kNode.value() - 1)), nullptr);
  EXPECT_NE(table_->AnyOf(kNode), nullptr);
  ASSERT_TRUE(table_->Remove(file, kNode, Kind::kFile).ok());
  EXPECT_EQ(table_->AnyOf(kNode), *table_->Get(directory, kNode));
  ASSERT_TRUE(table_->Remove(directory, kNode, Kind::kDirectory).ok());
  EXPECT_EQ(table_->AnyOf(kNode), nullptr);
}

TEST_F(OpenFileTableTest, UnknownIdsAreBad) {
  EXPECT_EQ(table_->Get(OpenFileId(0), kNode).errno_value(), EBADF);
  EXPECT_EQ(table_->Get(OpenFileId(15), kNode).errno_value(), EBADF);
  EXPECT_EQ(table_->Get(OpenFileId(16), kNode).errno_value(), EBADF);
  EXPECT_EQ(table_->Get(OpenFileId(UINT64_MAX), kNode).errno_value(), EBADF);
}

TEST_F(OpenFileTableTest, ReleasedIdStaysBadWhenItsSlotIsReused) {
  const OpenFileId old = Insert();
  ASSERT_TRUE(table_->Remove(old, kNode, Kind::kFile).ok());
  EXPECT_EQ(table_->Remove(old, kNode, Kind::kFile).errno_value(), EBADF);
  // One more than there are shards: one of them is in the old slot.
  bool reused = false;
  for (int i = 0; i < 17; ++i) {
    const OpenFileId fresh = Insert();
    EXPECT_NE(fresh, old);
    reused |= (fresh.value() & UINT32_MAX) == (old.value() & UINT32_MAX);
  }
  EXPECT_TRUE(reused);
  EXPECT_EQ(table_->Get(old, kNode).errno_value(), EBADF);
}

TEST_F(OpenFileTableTest, ReferenceKeepsAReleasedFileOpen) {
  const OpenFileId id = Insert();
  const OpenFileRef file = *table_->Get(id, kNode);
  ASSERT_TRUE(table_->Remove(id, kNode, Kind::kFile).ok());
  EXPECT_GE(fcntl(file->fd(), F_GETFD), 0);
  EXPECT_EQ(budget_.used(), 1u);
}

TEST_F(OpenFileTableTest, ConcurrentUseKeepsIdsApart) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int round = 0; round < 1000; ++round) {
        const OpenFileId id = Insert();
        ASSERT_TRUE(table_->Get(id, kNode, Kind::kFile).ok());
        ASSERT_TRUE(table_->Remove(id, kNode, Kind::kFile).ok());
        ASSERT_FALSE(table_->Get(id, kNode).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table_->size(), 0u);
}

}  // namespace
}  // namespace postern
