#include "broker/operations/directory_operations.h"

#include <dirent.h>

#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "common/rpc/channel.h"
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

// A listing's items, packed or not.
std::vector<rpc::DirectoryListing::Item> ItemsOf(const rpc::DirectoryListing& listing) {
  std::vector<rpc::DirectoryListing::Item> items(listing.items().begin(), listing.items().end());
  for (std::string_view rest = listing.packed(); !rest.empty();) {
    const auto load = [&rest]<typename Integer>(size_t offset, Integer) {
      Integer value;
      std::memcpy(&value, rest.data() + offset, sizeof(value));
      return value;
    };
    rpc::DirectoryListing::Item& item = items.emplace_back();
    item.set_ino(load(0, uint64_t{}));
    item.set_next_offset(load(8, uint64_t{}));
    const size_t size = load(16, uint32_t{});
    item.set_type(load(20, uint32_t{}));
    item.set_name(std::string(rest.substr(24, size)));
    const size_t whole = (24 + size + 7) / 8 * 8;
    EXPECT_EQ(rest.substr(24 + size, whole - 24 - size), std::string(whole - 24 - size, '\0'));
    rest.remove_prefix(whole);
  }
  return items;
}

class DirectoryOperationsTest : public FilesystemTest {
 protected:
  uint64_t Open(uint64_t node = kRoot) {
    EXPECT_EQ(Run(requests::OpenDirectory(node)), 0);
    return reply_.opened().open_file_id();
  }
  static rpc::Request ReadOf(uint64_t file, uint64_t offset, uint32_t budget,
                             bool with_entries = false) {
    return requests::ReadDirectory(kRoot, file, offset, budget, with_entries);
  }
  // All items, read in portions of `budget`. Each portion is checked against it.
  std::vector<rpc::DirectoryListing::Item> ReadAll(uint32_t budget, bool with_entries) {
    const uint64_t file = Open();
    std::vector<rpc::DirectoryListing::Item> all;
    uint64_t offset = 0;
    for (;;) {
      EXPECT_EQ(Run(ReadOf(file, offset, budget, with_entries)), 0);
      const auto items = ItemsOf(reply_.listing());
      if (items.empty()) return all;
      size_t cost = 0;
      for (const auto& item : items) {
        cost += (24 + item.name().size() + 7) / 8 * 8 + (with_entries ? 128 : 0);
        all.push_back(item);
      }
      EXPECT_LE(cost, budget);
      EXPECT_LT(reply_.ByteSizeLong(), kMaxMessageBytes - 64);
      offset = all.back().next_offset();
    }
  }
  void MakeFiles(int count, size_t name_size) {
    for (int i = 0; i < count; ++i) {
      std::string name = std::to_string(i);
      name.resize(name_size, 'x');
      share_.Write(name);
      names_.insert(name);
    }
  }
  std::multiset<std::string> names_ = {".", ".."};
};

std::multiset<std::string> NamesOf(const std::vector<rpc::DirectoryListing::Item>& items) {
  std::multiset<std::string> names;
  for (const auto& item : items) names.insert(item.name());
  return names;
}

TEST_F(DirectoryOperationsTest, ListsEachNameOnceInOnePortion) {
  MakeFiles(20, 10);
  EXPECT_EQ(NamesOf(ReadAll(65536, false)), names_);
}

TEST_F(DirectoryOperationsTest, ListsEachNameOnceInSmallPortions) {
  MakeFiles(50, 10);
  EXPECT_EQ(NamesOf(ReadAll(100, false)), names_);
}

TEST_F(DirectoryOperationsTest, ListsEachNameOnceWithEntriesInSmallPortions) {
  MakeFiles(50, 10);
  EXPECT_EQ(NamesOf(ReadAll(500, true)), names_);
}

TEST_F(DirectoryOperationsTest, ListsNamesOfTheGreatestLength) {
  MakeFiles(30, 255);
  EXPECT_EQ(NamesOf(ReadAll(24 + 256 + 8, false)), names_);
  EXPECT_EQ(NamesOf(ReadAll(24 + 256 + 8 + 128, true)), names_);
}

TEST_F(DirectoryOperationsTest, HugeBudgetStaysWithinAMessage) {
  MakeFiles(900, 255);
  EXPECT_EQ(NamesOf(ReadAll(UINT32_MAX, false)), names_);
  EXPECT_EQ(NamesOf(ReadAll(UINT32_MAX, true)), names_);
}

TEST_F(DirectoryOperationsTest, ListingGoesOnWithoutEntriesWhenTheBudgetOfDescriptorsIsUsedUp) {
  MakeFiles(20, 10);
  StartFilesystem(6);  // The handle and five inodes.
  const auto items = ReadAll(65536, true);
  EXPECT_EQ(NamesOf(items), names_);
  EXPECT_EQ(session_->inodes.size(), 5u);
}

TEST_F(DirectoryOperationsTest, ItemsHaveInodeAndType) {
  share_.Write("file");
  ASSERT_EQ(mkdir(share_.Path("dir").c_str(), 0755), 0);
  std::map<std::string, rpc::DirectoryListing::Item> items;
  for (const auto& item : ReadAll(65536, false)) items[item.name()] = item;
  EXPECT_EQ(items["file"].ino(), share_.Stat("file").st_ino);
  EXPECT_EQ(items["file"].type(), DT_REG);
  EXPECT_EQ(items["dir"].type(), DT_DIR);
  EXPECT_FALSE(items["file"].has_entry());
}

TEST_F(DirectoryOperationsTest, EntriesCountLookupsButNotForTheDots) {
  share_.Write("file");
  std::map<std::string, rpc::DirectoryListing::Item> items;
  for (const auto& item : ReadAll(65536, true)) items[item.name()] = item;
  EXPECT_FALSE(items["."].has_entry());
  EXPECT_FALSE(items[".."].has_entry());
  ASSERT_TRUE(items["file"].has_entry());
  EXPECT_EQ(items["file"].entry().attributes().ino(), share_.Stat("file").st_ino);
  EXPECT_EQ(Count(items["file"].entry().node_id()), 1u);
  EXPECT_EQ(session_->inodes.size(), 1u);
}

TEST_F(DirectoryOperationsTest, WhatDoesNotFitIsNotLookedUp) {
  MakeFiles(20, 10);
  const uint64_t file = Open();
  EXPECT_EQ(Run(ReadOf(file, 0, 3 * 168, true)), 0);
  size_t entries = 0;
  for (const auto& item : reply_.listing().items()) entries += item.has_entry() ? 1 : 0;
  EXPECT_LE(reply_.listing().items_size(), 3);
  EXPECT_EQ(session_->inodes.size(), entries);
}

TEST_F(DirectoryOperationsTest, BudgetTooSmallForTheFirstItemIsEinval) {
  const uint64_t file = Open();
  EXPECT_EQ(Run(ReadOf(file, 0, 0)), EINVAL);
  EXPECT_EQ(Run(ReadOf(file, 0, 31)), EINVAL);
  EXPECT_EQ(Run(ReadOf(file, 0, 32)), 0);
  EXPECT_EQ(ItemsOf(reply_.listing()).size(), 1u);
  EXPECT_EQ(Run(ReadOf(file, 0, 159, true)), EINVAL);
  EXPECT_EQ(Run(ReadOf(file, 0, 160, true)), 0);
}

TEST_F(DirectoryOperationsTest, EndIsEmptyWhateverTheBudget) {
  const auto items = ReadAll(65536, false);
  const uint64_t file = Open();
  EXPECT_EQ(Run(ReadOf(file, items.back().next_offset(), 0)), 0);
  EXPECT_TRUE(ItemsOf(reply_.listing()).empty());
}

TEST_F(DirectoryOperationsTest, RewindingSeesWhatIsNew) {
  const uint64_t file = Open();
  EXPECT_EQ(Run(ReadOf(file, 0, 65536)), 0);
  EXPECT_EQ(ItemsOf(reply_.listing()).size(), 2u);
  share_.Write("new");
  EXPECT_EQ(Run(ReadOf(file, 0, 65536)), 0);
  EXPECT_EQ(ItemsOf(reply_.listing()).size(), 3u);
}

TEST_F(DirectoryOperationsTest, OffsetBeyondOffTThatNobodyHasGivenIsTheEnd) {
  EXPECT_EQ(Run(ReadOf(Open(), UINT64_MAX, 65536)), 0);
  EXPECT_EQ(reply_.listing().packed(), "");
}

TEST_F(DirectoryOperationsTest, OnlyDirectoriesAreOpened) {
  share_.Write("file");
  ASSERT_EQ(mkfifo(share_.Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(Run(requests::OpenDirectory(Lookup("file"))), ENOTDIR);
  EXPECT_EQ(Run(requests::OpenDirectory(Lookup("fifo"))), ENOTDIR);
  EXPECT_EQ(context_->reply_file, nullptr);
}

TEST_F(DirectoryOperationsTest, DirectorysDescriptorStaysHere) {
  Open();
  EXPECT_EQ(context_->reply_file, nullptr);
}

TEST_F(DirectoryOperationsTest, HandleBelongsToItsDirectory) {
  ASSERT_EQ(mkdir(share_.Path("dir").c_str(), 0755), 0);
  const uint64_t file = Open(Lookup("dir"));
  EXPECT_EQ(Run(ReadOf(file, 0, 65536)), EBADF);
}

TEST_F(DirectoryOperationsTest, FilesHandleIsNoDirectorys) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  rpc::Request open;
  open.mutable_open()->set_node_id(node);
  ASSERT_EQ(Run(open), 0);
  rpc::Request request = ReadOf(reply_.opened().open_file_id(), 0, 65536);
  request.mutable_read_directory()->set_node_id(node);
  EXPECT_EQ(Run(request), EBADF);
}

TEST_F(DirectoryOperationsTest, ReleaseAndSyncTakeOpenDirectories) {
  const uint64_t file = Open();
  rpc::Request sync;
  sync.mutable_sync_directory()->set_node_id(kRoot);
  sync.mutable_sync_directory()->set_open_file_id(file);
  EXPECT_EQ(Run(sync), 0);
  sync.mutable_sync_directory()->set_data_only(true);
  EXPECT_EQ(Run(sync), 0);
  rpc::Request release;
  release.mutable_release_directory()->set_node_id(kRoot);
  release.mutable_release_directory()->set_open_file_id(file);
  EXPECT_EQ(Run(release), 0);
  EXPECT_EQ(Run(release), EBADF);
  EXPECT_EQ(Run(sync), EBADF);
}

}  // namespace
}  // namespace postern
