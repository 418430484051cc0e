#include "broker/inodes/inode_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>
#include <vector>

#include "tests/unit/open_descriptors.h"

namespace postern {
namespace {

constexpr InodeIdentity kRoot{1, 1, 1};

class InodeTableTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    table_.emplace(PartsOf(kRoot, S_IFDIR));
  }
  void TearDown() override {
    table_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
    EXPECT_EQ(budget_.used(), 0u);
  }

  BudgetedFd Path() {
    BudgetedFd path;
    path.share = *budget_.Take();
    path.fd.Reset(open("/", O_PATH | O_CLOEXEC));
    return path;
  }
  NodeId Insert(const InodeIdentity& identity) {
    return (*table_->InsertOrFind(PartsOf(identity)))->id();
  }
  InodeParts PartsOf(const InodeIdentity& identity, mode_t type = S_IFREG) {
    return {
        .key = {identity, {}}, .type = type, .path = Path(), .mount = nullptr, .spare = UniqueFd()};
  }
  InodeRef Find(const InodeIdentity& identity) { return Find(identity, table_->Now()); }
  InodeRef Find(const InodeIdentity& identity, InodeTable::Stamp before) {
    return table_->FindAndCount({identity, {}}, S_IFREG, before);
  }
  int GetError(NodeId id) { return table_->Get(id).errno_value(); }

  DescriptorBudget budget_{10000};
  std::set<std::string> before_;
  std::optional<InodeTable> table_;
};

TEST_F(InodeTableTest, RootIsNodeOneAndCannotBeForgotten) {
  table_->Forget(kRootNodeId, UINT64_MAX);
  const auto root = table_->Get(kRootNodeId);
  ASSERT_TRUE(root.ok());
  EXPECT_TRUE((*root)->is_directory());
  EXPECT_TRUE((*root)->has_descriptor());
}

TEST_F(InodeTableTest, RootsIdentityIsTheRootWhateverTheDescriptor) {
  EXPECT_EQ(Insert(kRoot), kRootNodeId);
  EXPECT_EQ(Find(kRoot)->id(), kRootNodeId);
  EXPECT_EQ(table_->size(), 0u);
}

TEST_F(InodeTableTest, IdsThatWereNeverGivenOutAreBad) {
  EXPECT_EQ(GetError(NodeId(0)), EBADF);
  EXPECT_EQ(GetError(NodeId(2)), EBADF);
  EXPECT_EQ(GetError(NodeId(63)), EBADF);
  EXPECT_EQ(GetError(NodeId(64)), EBADF);
  EXPECT_EQ(GetError(NodeId(uint64_t{1} << 32 | 1)), EBADF);
  EXPECT_EQ(GetError(NodeId(UINT64_MAX)), EBADF);
}

TEST_F(InodeTableTest, SameIdentityGivesSameIdAndCounts) {
  const NodeId id = Insert({1, 2, 1});
  EXPECT_EQ(Insert({1, 2, 1}), id);
  EXPECT_EQ(Find({1, 2, 1})->id(), id);
  EXPECT_EQ(table_->LookupCountForTest(id), 3u);
  EXPECT_EQ(table_->size(), 1u);
}

// A guest keeps its ids while the process is replaced.
TEST_F(InodeTableTest, IdIsTheSameInEveryProcess) {
  EXPECT_EQ(Insert({2049, 131073, 28}), NodeId(0x6a));
  EXPECT_EQ(Insert({2049, 131074, 28}), NodeId(0x70));
  // In its mount namespace a mount has another id.
  table_.emplace(PartsOf(kRoot, S_IFDIR));
  EXPECT_EQ(Insert({2049, 131073, 945}), NodeId(0x6a));
}

TEST_F(InodeTableTest, EachPartOfTheIdentityTellsFilesApart) {
  const NodeId id = Insert({1, 2, 3});
  EXPECT_FALSE(Find({9, 2, 3}));
  EXPECT_FALSE(Find({1, 9, 3}));
  EXPECT_FALSE(Find({1, 2, 9}));
  EXPECT_NE(Insert({1, 2, 9}), id);
}

TEST_F(InodeTableTest, ForgettingAllLookupsDropsTheInode) {
  const NodeId id = Insert({1, 2, 1});
  Insert({1, 2, 1});
  table_->Forget(id, 1);
  EXPECT_EQ(table_->LookupCountForTest(id), 1u);
  table_->Forget(id, 1);
  EXPECT_EQ(GetError(id), EBADF);
  EXPECT_FALSE(Find({1, 2, 1}));
}

TEST_F(InodeTableTest, ForgettingTooMuchSaturates) {
  const NodeId id = Insert({1, 2, 1});
  table_->Forget(id, UINT64_MAX);
  EXPECT_EQ(GetError(id), EBADF);
  table_->Forget(id, UINT64_MAX);
  EXPECT_EQ(table_->size(), 0u);
}

TEST_F(InodeTableTest, ForgettingNothingKeepsTheInode) {
  const NodeId id = Insert({1, 2, 1});
  table_->Forget(id, 0);
  EXPECT_EQ(table_->LookupCountForTest(id), 1u);
}

TEST_F(InodeTableTest, StaleIdReachesNeitherTheOldFileNorTheNextInItsSlot) {
  const NodeId old = Insert({1, 2, 1});
  table_->Forget(old, 1);
  const NodeId fresh = Insert({1, 2, 1});  // The same shard, so the same slot.
  ASSERT_EQ(fresh.value() & UINT32_MAX, old.value() & UINT32_MAX);
  EXPECT_NE(fresh, old);
  EXPECT_EQ(GetError(old), EBADF);
  table_->Forget(old, 1);
  EXPECT_TRUE(table_->Get(fresh).ok()) << "a stale forget hit the next inode";
}

TEST_F(InodeTableTest, OperationInProgressKeepsItsInodeAcrossForget) {
  const NodeId id = Insert({1, 2, 1});
  const InodeRef kept = *table_->Get(id);
  table_->Forget(id, 1);
  EXPECT_EQ(GetError(id), EBADF);
  EXPECT_GE(fcntl(kept->descriptor(), F_GETFD), 0) << "closed under an operation";
}

constexpr std::byte kBytes[] = {std::byte{1}, std::byte{2}, std::byte{3}};
constexpr FileHandleView kHandle{7, kBytes};

TEST_F(InodeTableTest, InodeWithAHandleIsFoundByItAndNotByItsIdentity) {
  InodeParts parts = PartsOf({1, 2, 3});
  parts.path = BudgetedFd();
  parts.key.handle = kHandle;
  const NodeId id = (*table_->InsertOrFind(std::move(parts)))->id();
  EXPECT_EQ(table_->FindAndCount({{1, 2, 3}, kHandle}, S_IFREG, table_->Now())->id(), id);
  EXPECT_FALSE(Find({1, 2, 3}));
  const FileHandleView other_type{8, kBytes};
  EXPECT_FALSE(table_->FindAndCount({{1, 2, 3}, other_type}, S_IFREG, table_->Now()));
  const FileHandleView shorter{7, std::span(kBytes).first(2)};
  EXPECT_FALSE(table_->FindAndCount({{1, 2, 3}, shorter}, S_IFREG, table_->Now()));
  EXPECT_FALSE(table_->FindAndCount({{1, 2, 4}, kHandle}, S_IFREG, table_->Now())) << "bind mount";
}

// The name came to mean another file between statx and name_to_handle_at.
TEST_F(InodeTableTest, InodeOfTheHandleThatIsNotWhatTheStatSawIsNotReported) {
  InodeParts parts = PartsOf({1, 2, 3});
  parts.key.handle = kHandle;
  const NodeId id = (*table_->InsertOrFind(std::move(parts)))->id();
  EXPECT_FALSE(table_->FindAndCount({{1, 9, 3}, kHandle}, S_IFREG, table_->Now()));
  EXPECT_FALSE(table_->FindAndCount({{1, 2, 3}, kHandle}, S_IFDIR, table_->Now()));
  EXPECT_EQ(table_->LookupCountForTest(id), 1u);
}

TEST_F(InodeTableTest, HandleGivenToAFileOfAnotherTypeMakesANewNode) {
  InodeParts file = PartsOf({1, 2, 3});
  file.key.handle = kHandle;
  const NodeId old = (*table_->InsertOrFind(std::move(file)))->id();
  InodeParts device = PartsOf({1, 2, 3}, S_IFCHR);
  device.key.handle = kHandle;
  const InodeRef fresh = *table_->InsertOrFind(std::move(device));
  EXPECT_NE(fresh->id(), old);
  EXPECT_EQ(fresh->type(), mode_t{S_IFCHR});
  EXPECT_TRUE(table_->Get(old).ok());
  table_->Forget(old, 1);
  EXPECT_EQ(table_->FindAndCount({{1, 2, 3}, kHandle}, S_IFCHR, table_->Now())->id(), fresh->id())
      << "forgetting the old one took the new one's place in the index";
}

// The file that had the number at statx time was deleted, and the number given to a new file, which
// another thread looked up before this one came to the table.
TEST_F(InodeTableTest, InodeAddedAfterTheStatIsNotTakenForWhatTheStatSaw) {
  const InodeTable::Stamp before = table_->Now();
  const NodeId id = Insert({1, 2, 1});
  EXPECT_FALSE(Find({1, 2, 1}, before));
  EXPECT_EQ(table_->LookupCountForTest(id), 1u);
  EXPECT_TRUE(Find({1, 2, 1}));
}

TEST_F(InodeTableTest, ForgottenAndAddedAgainIsNotTakenForWhatTheStatSaw) {
  table_->Forget(Insert({1, 2, 1}), 1);
  const InodeTable::Stamp before = table_->Now();
  Insert({1, 2, 1});
  EXPECT_FALSE(Find({1, 2, 1}, before));
}

TEST_F(InodeTableTest, ConcurrentLookupsAndForgetsLoseNoCount) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 3000;
  constexpr uint64_t kFiles = 7;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int round = 0; round < kRounds; ++round) {
        const InodeIdentity identity{1, 100 + static_cast<uint64_t>(round) % kFiles, 1};
        InodeRef inode = Find(identity);
        if (!inode) inode = *table_->InsertOrFind(PartsOf(identity));
        // Our own count pins the id until we give it back.
        const auto found = table_->Get(inode->id());
        ASSERT_TRUE(found.ok());
        ASSERT_EQ((*found)->identity(), identity);
        table_->Forget(inode->id(), 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table_->size(), 0u);
  EXPECT_EQ(budget_.used(), 1u) << "the root's only";
}

TEST_F(InodeTableTest, ConcurrentFirstLookupsGiveOneId) {
  constexpr int kThreads = 4;
  std::vector<NodeId> ids(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, &ids, t] { ids[t] = Insert({1, 2, 1}); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<NodeId>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(table_->LookupCountForTest(ids[0]), uint64_t{kThreads});
}

TEST(DescriptorBudget, RefusesTheOneTooManyAndTakesItAfterAReturn) {
  DescriptorBudget budget(2);
  auto one = budget.Take();
  auto two = budget.Take();
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(budget.Take().errno_value(), ENFILE);
  *one = DescriptorBudget::Share();
  EXPECT_TRUE(budget.Take().ok());
  EXPECT_EQ(budget.used(), 1u);
}

TEST(DescriptorBudget, MovedShareIsGivenBackOnce) {
  DescriptorBudget budget(2);
  {
    DescriptorBudget::Share first = *budget.Take();
    DescriptorBudget::Share second = std::move(first);
    EXPECT_EQ(budget.used(), 1u);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(DescriptorBudget, LimitLeavesRoomForTheBroker) {
  const auto one = DescriptorBudget::LimitFor(1, 1);
  const auto many = DescriptorBudget::LimitFor(4, 8);
  const auto more = DescriptorBudget::LimitFor(20, 8);
  ASSERT_TRUE(one.ok() && many.ok() && more.ok());
  EXPECT_LT(*many, *one);
  EXPECT_LT(*more, *many);
  EXPECT_FALSE(DescriptorBudget::LimitFor(1000000, 1).ok());
}

}  // namespace
}  // namespace postern
