// The descriptors of inodes that are known by their handles, as their table keeps them.
#include "broker/inodes/path_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "tests/unit/broker/crowd_out.h"
#include "tests/unit/broker/inodes/cached_inodes_fixture.h"

namespace postern {
namespace {

using PathCacheTest = CachedInodesTest;

TEST_F(PathCacheTest, InodeWithADescriptorIsFoundByItsIdentityAlone) {
  const InodeRef inode = Insert(7);
  EXPECT_NE(table_->CachedPath(*inode), nullptr);
  EXPECT_EQ(budget_->cached(), 1u);
  EXPECT_EQ(budget_->used(), 0u) << "it is no descriptor that anybody waits for";
  EXPECT_EQ(FindByIdentity(7)->id(), inode->id());
  EXPECT_EQ(table_->LookupCountForTest(inode->id()), 2u);
  EXPECT_FALSE(table_->FindAndCount({{1, 7, 1}, std::nullopt}, S_IFDIR, table_->Now()));
}

TEST_F(PathCacheTest, InodeWithoutOneIsKnownButNotFoundByItsIdentity) {
  Insert(7, /*with_spare=*/false);
  EXPECT_FALSE(FindByIdentity(7));
  EXPECT_FALSE(FindByIdentity(7, InodeTable::kWhileOpen));
  EXPECT_TRUE(table_->Knows({1, 7, 1}));
  EXPECT_TRUE(FindByHandle(7));
}

// Until the descriptor was there the number could be given to another file.
TEST_F(PathCacheTest, DescriptorAddedAfterTheStatSaysNothingOfWhatTheStatSaw) {
  const InodeRef inode = Insert(7, /*with_spare=*/false);
  const InodeTable::Stamp before = table_->Now();
  table_->KeepPath(*inode, Path());
  EXPECT_FALSE(FindByIdentity(7, before));
  EXPECT_TRUE(FindByIdentity(7));
  EXPECT_TRUE(FindByIdentity(7, InodeTable::kWhileOpen));
}

TEST_F(PathCacheTest, SecondLookupBringsBackWhatWasDropped) {
  const InodeRef inode = Insert(7);
  CrowdOut(*table_);
  EXPECT_EQ(budget_->cached(), 0u);
  EXPECT_EQ(table_->CachedPath(*inode), nullptr);
  const InodeTable::Stamp before = table_->Now();
  EXPECT_EQ(Insert(7)->id(), inode->id());
  EXPECT_NE(table_->CachedPath(*inode), nullptr);
  EXPECT_FALSE(FindByIdentity(7, before));
}

TEST_F(PathCacheTest, TheFirstDescriptorIsKept) {
  const InodeRef inode = Insert(7);
  const PathRef first = table_->CachedPath(*inode);
  EXPECT_EQ(table_->KeepPath(*inode, Path()), first);
  Insert(7);
  EXPECT_EQ(table_->CachedPath(*inode), first);
  EXPECT_EQ(budget_->cached(), 1u);
}

TEST_F(PathCacheTest, ForgettingClosesTheDescriptor) {
  const auto before = OpenDescriptors();
  const NodeId id = Insert(7)->id();
  EXPECT_NE(OpenDescriptors(), before);
  table_->Forget(id, 1);
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(budget_->cached(), 0u);
}

TEST_F(PathCacheTest, ForgettingOneLeavesTheOthersTheirDescriptors) {
  std::vector<NodeId> ids;
  for (uint64_t number = 100; number < 160; ++number) ids.push_back(Insert(number)->id());
  for (size_t i = 0; i < ids.size(); i += 2) table_->Forget(ids[i], 1);
  for (uint64_t number = 100; number < 160; ++number) {
    const InodeRef found = FindByIdentity(number);
    ASSERT_EQ(static_cast<bool>(found), number % 2 == 1) << number;
    if (found) {
      EXPECT_EQ(found->identity().inode, number);
    }
  }
  EXPECT_EQ(budget_->cached(), 30u);
}

TEST_F(PathCacheTest, InodeForgottenMeanwhileIsNotKept) {
  const InodeRef inode = Insert(7, /*with_spare=*/false);
  table_->Forget(inode->id(), 1);
  EXPECT_NE(table_->KeepPath(*inode, Path()), nullptr) << "to work with, once";
  EXPECT_EQ(budget_->cached(), 0u);
}

TEST_F(PathCacheTest, OperationInProgressKeepsItsDescriptor) {
  const InodeRef inode = Insert(7);
  const PathRef path = table_->GetWithPath(inode->id())->path;
  CrowdOut(*table_);
  table_->Forget(inode->id(), 1);
  EXPECT_GE(fcntl(path->get(), F_GETFD), 0) << "closed under an operation";
}

TEST_F(PathCacheTest, MoreThanFitGiveEachOtherUpAndStayKnown) {
  for (uint64_t number = 100; number < 1100; ++number) Insert(number);
  EXPECT_EQ(budget_->cached(), budget_->cache_limit());
  EXPECT_EQ(OpenDescriptors().size(), before_.size() + 1 + budget_->cache_limit());
  EXPECT_EQ(CountCached(100, 1099), budget_->cache_limit());
  EXPECT_TRUE(FindByHandle(100));
}

TEST_F(PathCacheTest, WhatIsUsedAgainAndAgainStaysWhileManyOthersPass) {
  const InodeRef inode = Insert(7);
  for (uint64_t number = 100; number < 1100; ++number) {
    Insert(number);
    ASSERT_NE(table_->GetWithPath(inode->id())->path, nullptr) << number;
  }
}

TEST_F(PathCacheTest, RoomThatOtherShardsHaveTakenIsMade) {
  Start(16);  // One for the cache.
  ASSERT_EQ(budget_->cache_limit(), 1u);
  for (uint64_t number = 100; number < 200; ++number) {
    const InodeRef inode = Insert(number, /*with_spare=*/number % 2 == 0);
    // The first one who wants the place finds it in use, and the second one doesn't.
    table_->KeepPath(*inode, Path());
    table_->KeepPath(*inode, Path());
    EXPECT_NE(table_->CachedPath(*inode), nullptr) << number;
    EXPECT_EQ(budget_->cached(), 1u);
  }
}

TEST_F(PathCacheTest, NothingSetAsideKeepsNothing) {
  table_.reset();
  budget_.emplace(8);
  budget_->SetCacheAside();
  ASSERT_EQ(budget_->cache_limit(), 0u);
  InodeParts root;
  root.key.identity = {1, 1, 1};
  root.type = S_IFDIR;
  root.path.fd = Path();
  table_.emplace(std::move(root), nullptr, &*budget_);
  const InodeRef inode = Insert(7);
  EXPECT_EQ(table_->CachedPath(*inode), nullptr);
  EXPECT_NE(table_->KeepPath(*inode, Path()), nullptr);
  EXPECT_EQ(table_->CachedPath(*inode), nullptr);
}

// The file was deleted while it was known, and its number went to another one.
TEST_F(PathCacheTest, FileThatGotTheNumberIsNotTakenForTheOldOne) {
  const InodeRef old = Insert(7);
  CrowdOut(*table_);
  const InodeRef fresh = Insert(7, /*with_spare=*/true, /*generation=*/1);
  EXPECT_NE(fresh->id(), old->id());
  EXPECT_EQ(FindByIdentity(7)->id(), fresh->id());
  EXPECT_EQ(FindByHandle(7)->id(), old->id());
  table_->Forget(old->id(), UINT64_MAX);
  EXPECT_EQ(FindByIdentity(7)->id(), fresh->id());
  EXPECT_FALSE(FindByHandle(7));
}

TEST_F(PathCacheTest, InodeWithoutAHandleIsFoundByItsIdentity) {
  const InodeRef inode = InsertWithoutHandle(7);
  ASSERT_TRUE(inode);
  EXPECT_FALSE(inode->key().handle);
  EXPECT_EQ(FindByIdentity(7)->id(), inode->id());
  EXPECT_EQ(InsertWithoutHandle(7)->id(), inode->id());
  EXPECT_EQ(table_->LookupCountForTest(inode->id()), 3u);
  EXPECT_EQ(inode->OpenByHandle().errno_value(), ESTALE);
}

// Both were pinned at one time, so there is no other file of that number.
TEST_F(PathCacheTest, HandleOfAnInodeWithoutOneIsTakenFromWhoHasIt) {
  const InodeRef inode = InsertWithoutHandle(7);
  EXPECT_EQ(Insert(7)->id(), inode->id());
  EXPECT_TRUE(inode->key().handle);
  CrowdOut(*table_);
  EXPECT_EQ(FindByHandle(7)->id(), inode->id());
}

TEST_F(PathCacheTest, HandleIsAskedForBeforeTheDescriptorIsGivenUp) {
  const InodeRef inode = InsertWithoutHandle(7);
  CrowdOut(*table_);
  EXPECT_EQ(table_->CachedPath(*inode), nullptr);
  FileHandle expected;
  ASSERT_TRUE(expected.Set(Path().get()).ok());
  ASSERT_TRUE(inode->key().handle);
  EXPECT_EQ(*inode->key().handle, expected.view());
}

TEST_F(PathCacheTest, InodeWhoseHandleDoesNotFitKeepsItsDescriptor) {
  const InodeRef inode = InsertWithoutHandle(7, /*handle_room=*/1);
  CrowdOut(*table_);
  EXPECT_NE(table_->CachedPath(*inode), nullptr);
  for (uint64_t number = 100; number < 1100; ++number) Insert(number);
  EXPECT_NE(table_->CachedPath(*inode), nullptr);
  table_->Forget(inode->id(), UINT64_MAX);
  EXPECT_LE(budget_->cached(), budget_->cache_limit());
}

TEST_F(PathCacheTest, HandleIsWantedIfItTellsFilesApart) {
  const InodeRef old = Insert(7, /*with_spare=*/false);
  EXPECT_FALSE(InsertWithoutHandle(7)) << "this one, or one that had its number";
  EXPECT_EQ(table_->LookupCountForTest(old->id()), 1u);
  table_->Forget(old->id(), 1);
  EXPECT_TRUE(InsertWithoutHandle(7));
}

TEST_F(PathCacheTest, HandleIsWantedWithoutRoom) {
  for (uint64_t number = 100; number < 300; ++number) Insert(number);
  EXPECT_FALSE(InsertWithoutHandle(7));
  EXPECT_EQ(table_->size(), 200u);
}

TEST_F(PathCacheTest, ThoseWithoutAHandleMakeRoomInTheEnd) {
  // Some come to a shard that has enough already.
  for (uint64_t number = 1000; number < 2000; ++number) InsertWithoutHandle(number);
  ASSERT_EQ(budget_->cached(), budget_->cache_limit());
  for (uint64_t number = 2000; number < 4000; ++number) Insert(number);
  EXPECT_EQ(CountCached(1000, 1999), 0u);
  EXPECT_EQ(budget_->cached(), budget_->cache_limit());
}

TEST_F(PathCacheTest, ForgettingTheOldOneLeavesTheOneWithoutAHandle) {
  const InodeRef old = Insert(7);
  const InodeRef other = Insert(7, /*with_spare=*/false, /*generation=*/1);
  table_->Forget(old->id(), UINT64_MAX);
  table_->Forget(other->id(), UINT64_MAX);
  const InodeRef fresh = InsertWithoutHandle(7);
  ASSERT_TRUE(fresh);
  table_->Forget(fresh->id(), UINT64_MAX);
  EXPECT_EQ(table_->size(), 0u);
  EXPECT_FALSE(table_->Knows({1, 7, 1}));
}

TEST_F(PathCacheTest, ConcurrentUsesNeverSeeAClosedDescriptor) {
  std::vector<NodeId> ids;
  for (uint64_t number = 100; number < 400; ++number) ids.push_back(Insert(number)->id());
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 10'000; ++i) {
        auto found = table_->GetWithPath(ids[(i * 7 + t * 31) % ids.size()]);
        ASSERT_TRUE(found.ok());
        if (found->path == nullptr) found->path = table_->KeepPath(*found->inode, Path());
        ASSERT_GE(fcntl(found->path->get(), F_GETFD), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(budget_->cached(), budget_->cache_limit());
}

}  // namespace
}  // namespace postern
