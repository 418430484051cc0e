// Inodes that come to be pinned, are given up, get their handle, and go: what finds them.
#include "broker/inodes/inode_index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/unit/broker/crowd_out.h"
#include "tests/unit/broker/inodes/cached_inodes_fixture.h"

namespace postern {
namespace {

using InodeIndexTest = CachedInodesTest;

TEST_F(InodeIndexTest, PinnedOneThatWasGivenUpIsFoundByItsHandleUntilItIsPinnedAgain) {
  const InodeRef inode = Insert(7);
  EXPECT_EQ(FindByIdentity(7)->id(), inode->id());
  EXPECT_EQ(FindByHandle(7)->id(), inode->id());

  CrowdOut(*table_);
  EXPECT_FALSE(FindByIdentity(7));
  EXPECT_TRUE(table_->Knows({1, 7, 1}));
  EXPECT_EQ(FindByHandle(7)->id(), inode->id());

  table_->KeepPath(*inode, Path());
  EXPECT_EQ(FindByIdentity(7)->id(), inode->id());
  EXPECT_EQ(FindByHandle(7)->id(), inode->id());
  EXPECT_EQ(table_->LookupCountForTest(inode->id()), 6u);
}

TEST_F(InodeIndexTest, OneWithoutAHandleIsFoundByWhateverHandleItsFileTurnsOutToHave) {
  const InodeTable::Stamp before = table_->Now();
  const InodeRef inode = InsertWithoutHandle(7);
  ASSERT_TRUE(inode);
  EXPECT_EQ(FindByHandle(7, 0)->id(), inode->id());
  EXPECT_EQ(FindByHandle(7, 1)->id(), inode->id());
  EXPECT_FALSE(FindByHandle(7, 0, before)) << "what the call saw may have been there before";
  EXPECT_FALSE(inode->key().handle) << "a name's handle isn't a descriptor's";
}

TEST_F(InodeIndexTest, LateHandleIsWhatFindsItFromThenOn) {
  const InodeRef inode = InsertWithoutHandle(7);
  CrowdOut(*table_);
  FileHandle handle;
  ASSERT_TRUE(handle.Set(Path().get()).ok());
  const InodeKey key{{1, 7, 1}, handle.view()};
  EXPECT_FALSE(FindByIdentity(7));
  EXPECT_FALSE(FindByHandle(7));
  EXPECT_EQ(table_->FindAndCount(key, S_IFREG, table_->Now())->id(), inode->id());
  table_->Forget(inode->id(), UINT64_MAX);
  EXPECT_FALSE(table_->FindAndCount(key, S_IFREG, table_->Now()));
  EXPECT_FALSE(table_->Knows({1, 7, 1}));
}

TEST_F(InodeIndexTest, OldFilesOfARecycledIdentityAreFoundByTheirHandlesAlone) {
  std::vector<InodeRef> old;
  for (uint8_t generation = 0; generation < 3; ++generation) {
    old.push_back(Insert(7, /*with_spare=*/true, generation));
    CrowdOut(*table_);
  }
  const InodeRef present = Insert(7, /*with_spare=*/true, /*generation=*/3);
  EXPECT_EQ(FindByIdentity(7)->id(), present->id());
  EXPECT_EQ(FindByHandle(7, 0)->id(), old[0]->id());
  EXPECT_EQ(FindByHandle(7, 1)->id(), old[1]->id());
  EXPECT_EQ(FindByHandle(7, 2)->id(), old[2]->id());
  EXPECT_EQ(FindByHandle(7, 3)->id(), present->id());

  table_->Forget(old[1]->id(), UINT64_MAX);
  EXPECT_EQ(FindByIdentity(7)->id(), present->id());
  EXPECT_FALSE(FindByHandle(7, 1));
  EXPECT_EQ(FindByHandle(7, 2)->id(), old[2]->id());

  table_->Forget(present->id(), UINT64_MAX);
  EXPECT_FALSE(FindByIdentity(7));
  EXPECT_TRUE(table_->Knows({1, 7, 1}));
  EXPECT_FALSE(InsertWithoutHandle(7)) << "it takes a handle to tell";
  table_->Forget(old[0]->id(), UINT64_MAX);
  table_->Forget(old[2]->id(), UINT64_MAX);
  EXPECT_FALSE(table_->Knows({1, 7, 1}));
  EXPECT_TRUE(InsertWithoutHandle(7));
}

// No filesystem that is right does that: the first one is open.
TEST_F(InodeIndexTest, OfTwoPinnedOnesOfOneIdentityTheLastOneIsFoundByIt) {
  const InodeRef first = Insert(7);
  const InodeRef last = Insert(7, /*with_spare=*/true, /*generation=*/1);
  ASSERT_NE(first->id(), last->id());
  EXPECT_EQ(FindByIdentity(7)->id(), last->id());
  EXPECT_EQ(FindByHandle(7, 0)->id(), first->id());
  table_->Forget(last->id(), UINT64_MAX);
  EXPECT_FALSE(FindByIdentity(7));
  EXPECT_EQ(FindByHandle(7, 0)->id(), first->id());
  table_->Forget(first->id(), UINT64_MAX);
  EXPECT_FALSE(table_->Knows({1, 7, 1}));
}

TEST_F(InodeIndexTest, ForgottenWhilePinnedIsNotFoundAndLeavesNothingInTheNextOnesWay) {
  const InodeRef old = Insert(7);
  const PathRef in_use = table_->GetWithPath(old->id())->path;
  table_->Forget(old->id(), UINT64_MAX);
  EXPECT_FALSE(FindByIdentity(7));
  EXPECT_FALSE(FindByHandle(7));
  EXPECT_FALSE(table_->Knows({1, 7, 1}));

  const InodeRef fresh = InsertWithoutHandle(7);
  ASSERT_TRUE(fresh);
  EXPECT_NE(fresh->id(), old->id());
  EXPECT_NE(table_->KeepPath(*old, Path()), nullptr) << "to work with, once";
  EXPECT_EQ(FindByIdentity(7)->id(), fresh->id());
  EXPECT_EQ(Insert(7)->id(), fresh->id());
}

TEST_F(InodeIndexTest, OneWhoseHandleWentToAnotherTypeIsNeverFoundAgain) {
  const InodeRef old = Insert(7);
  const InodeRef device = Insert(7, /*with_spare=*/true, /*generation=*/0, S_IFCHR);
  ASSERT_NE(device->id(), old->id());
  EXPECT_FALSE(FindByIdentity(7)) << "of the old one's type";
  EXPECT_FALSE(FindByHandle(7));
  EXPECT_NE(table_->GetWithPath(old->id())->path, nullptr) << "its node id is good";

  CrowdOut(*table_);
  table_->KeepPath(*old, Path());
  EXPECT_FALSE(FindByIdentity(7));
  EXPECT_FALSE(FindByHandle(7));
  EXPECT_EQ(Insert(7, /*with_spare=*/false, /*generation=*/0, S_IFCHR)->id(), device->id());
  table_->Forget(old->id(), UINT64_MAX);
  EXPECT_EQ(Insert(7, /*with_spare=*/false, /*generation=*/0, S_IFCHR)->id(), device->id());
}

// One thread looks files up by whatever finds them and forgets them, the other one takes their
// descriptors away and gives them back.
TEST_F(InodeIndexTest, TwoThreadsNeverSeeAFileUnderTwoNodes) {
  constexpr uint64_t kFiles = 5;
  std::atomic<bool> stop = false;
  std::thread cache([&] {
    while (!stop) {
      CrowdOut(*table_);
      for (uint64_t number = 100; number < 100 + kFiles; ++number) {
        const InodeRef inode = FindByHandle(number);
        if (!inode) continue;
        table_->KeepPath(*inode, Path());
        table_->Forget(inode->id(), 1);
      }
    }
  });
  for (uint64_t round = 0; round < 20'000; ++round) {
    const uint64_t number = 100 + round % kFiles;
    const InodeRef inode = Insert(number, /*with_spare=*/round % 3 == 0);
    ASSERT_EQ(inode->identity().inode, number);
    // Our count keeps it known.
    const InodeRef by_handle = FindByHandle(number);
    ASSERT_TRUE(by_handle);
    ASSERT_EQ(by_handle->id(), inode->id());
    if (const InodeRef by_identity = FindByIdentity(number)) {
      ASSERT_EQ(by_identity->id(), inode->id());
      table_->Forget(by_identity->id(), 1);
    }
    table_->Forget(inode->id(), 2);
  }
  stop = true;
  cache.join();
  EXPECT_EQ(table_->size(), 0u);
  for (uint64_t number = 100; number < 100 + kFiles; ++number) {
    EXPECT_FALSE(table_->Knows({1, number, 1})) << number;
  }
}

}  // namespace
}  // namespace postern
