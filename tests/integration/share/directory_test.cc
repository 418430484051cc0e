// OPENDIR, READDIR, READDIRPLUS, RELEASEDIR, FSYNCDIR.
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::DirectoryEntry;
using vmm::FuseHandle;
using vmm::HandleOf;
using vmm::NodeOf;

class DirectoryTest : public ShareTest {
 protected:
  void OpenDirectoryWith(int files) {
    MakeHostDirectory("directory");
    for (int i = 0; i < files; ++i) {
      // Names of many lengths, so that replies end at many places.
      WriteHost("directory/" + FileName(i), "");
    }
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "directory"));
    node_ = NodeOf(entry);
    ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(node_));
    handle_ = HandleOf(opened);
  }
  static std::string FileName(int i) {
    return std::string(static_cast<size_t>(i % 97), 'n') + std::to_string(i);
  }

  ErrnoOr<std::vector<DirectoryEntry>> ReadOnce(bool plus, uint64_t offset, size_t size) {
    return plus ? fuse().Readdirplus(node_, handle_, offset, size)
                : fuse().Readdir(node_, handle_, offset, size);
  }

  // Reads to the end, and counts each name.
  std::map<std::string, int> ReadAll(bool plus, size_t size) {
    std::map<std::string, int> seen;
    uint64_t offset = 0;
    while (true) {
      const auto entries = ReadOnce(plus, offset, size);
      EXPECT_OK(entries);
      if (!entries.ok() || entries->empty()) return seen;
      for (const DirectoryEntry& entry : *entries) ++seen[entry.name];
      offset = entries->back().next_offset;
    }
  }

  static std::map<std::string, int> EachOnce(int files) {
    std::map<std::string, int> expected = {{".", 1}, {"..", 1}};
    for (int i = 0; i < files; ++i) expected[FileName(i)] = 1;
    return expected;
  }

  NodeId node_{0};
  FuseHandle handle_{0};
};

TEST_F(DirectoryTest, EmptyDirectoryHasTheDots) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(0));
  EXPECT_EQ(ReadAll(false, 4096), EachOnce(0));
  EXPECT_EQ(ReadAll(true, 4096), EachOnce(0));
}

TEST_F(DirectoryTest, TenThousandEntriesAppearOnceEachInSmallReplies) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(10'000));
  EXPECT_TRUE(ReadAll(false, 4096) == EachOnce(10'000));
}

TEST_F(DirectoryTest, TenThousandEntriesAppearOnceEachInBigReplies) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(10'000));
  EXPECT_TRUE(ReadAll(false, 128 * 1024) == EachOnce(10'000));
}

TEST_F(DirectoryTest, TenThousandEntriesAppearOnceEachWithAttributes) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(10'000));
  EXPECT_TRUE(ReadAll(true, 4096) == EachOnce(10'000));
}

TEST_F(DirectoryTest, TenThousandEntriesAppearOnceEachWithAttributesInBigReplies) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(10'000));
  EXPECT_TRUE(ReadAll(true, 128 * 1024) == EachOnce(10'000));
}

TEST_F(DirectoryTest, RepliesThatHoldHardlyAnEntrySkipNone) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(200));
  EXPECT_TRUE(ReadAll(false, 136) == EachOnce(200));
  EXPECT_TRUE(ReadAll(true, 264) == EachOnce(200));
}

TEST_F(DirectoryTest, SizeOfOneMegabyteIsServed) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(3));
  EXPECT_EQ(ReadAll(false, 120 * 4096), EachOnce(3));
}

TEST_F(DirectoryTest, EntriesBearInodeNumberAndType) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(1));
  MakeHostDirectory("directory/sub");
  ASSERT_EQ(symlink("x", Host("directory/link").c_str()), 0);
  const std::map<std::string, uint32_t> types = {
      {FileName(0), DT_REG}, {"sub", DT_DIR}, {"link", DT_LNK}, {".", DT_DIR}, {"..", DT_DIR}};
  ASSERT_OK_AND_ASSIGN(const auto entries, ReadOnce(false, 0, 4096));
  EXPECT_EQ(entries.size(), types.size());
  for (const DirectoryEntry& entry : entries) {
    ASSERT_TRUE(types.contains(entry.name)) << entry.name;
    EXPECT_EQ(entry.type, types.at(entry.name)) << entry.name;
    if (entry.name[0] != '.') {
      EXPECT_EQ(entry.ino, StatHost("directory/" + entry.name).st_ino) << entry.name;
    }
  }
}

TEST_F(DirectoryTest, ReaddirplusBringsTheAttributesOfALookup) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(0));
  WriteHost("directory/file", "seven b", 0604);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out looked_up, fuse().Lookup(node_, "file"));
  ASSERT_OK_AND_ASSIGN(const auto entries, ReadOnce(true, 0, 4096));
  const auto file = std::ranges::find(entries, "file", &DirectoryEntry::name);
  ASSERT_NE(file, entries.end());
  EXPECT_EQ(file->entry.nodeid, looked_up.nodeid);
  EXPECT_EQ(file->entry.attr.size, 7u);
  EXPECT_EQ(file->entry.attr.mode, static_cast<uint32_t>(S_IFREG | 0604));
  EXPECT_EQ(file->entry.attr.ino, file->ino);
  EXPECT_EQ(file->entry.entry_valid, looked_up.entry_valid);
}

TEST_F(DirectoryTest, AnyOffsetGivenBeforeCanBeReturnedTo) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(50));
  ASSERT_OK_AND_ASSIGN(const auto all, ReadOnce(false, 0, 65536));
  ASSERT_EQ(all.size(), 52u);
  ASSERT_OK_AND_ASSIGN(const auto from_tenth, ReadOnce(false, all[9].next_offset, 65536));
  ASSERT_EQ(from_tenth.size(), 42u);
  EXPECT_EQ(from_tenth[0].name, all[10].name);
  ASSERT_OK_AND_ASSIGN(const auto again, ReadOnce(false, 0, 65536));
  EXPECT_EQ(again.size(), 52u);
}

TEST_F(DirectoryTest, ReplyTooSmallForAnEntryIsEinval) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(1));
  EXPECT_ERRNO(ReadOnce(false, 0, 16), EINVAL);
}

TEST_F(DirectoryTest, EntriesThatStayAreSeenWhileOthersGo) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(1000));
  std::map<std::string, int> seen;
  uint64_t offset = 0;
  int removed = 1;  // The odd ones go, the even ones stay.
  while (true) {
    ASSERT_OK_AND_ASSIGN(const auto entries, ReadOnce(true, offset, 8192));
    if (entries.empty()) break;
    for (const DirectoryEntry& entry : entries) ++seen[entry.name];
    offset = entries.back().next_offset;
    for (int i = 0; i < 10 && removed < 1000; ++i, removed += 2) {
      ASSERT_EQ(unlink(Host("directory/" + FileName(removed)).c_str()), 0);
    }
  }
  for (int i = 0; i < 1000; i += 2) EXPECT_EQ(seen[FileName(i)], 1) << FileName(i);
  for (const auto& [name, count] : seen) EXPECT_LE(count, 1) << name;
}

TEST_F(DirectoryTest, TwoHandlesReadIndependently) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(100));
  ASSERT_OK_AND_ASSIGN(const auto first, ReadOnce(false, 0, 1024));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out second, fuse().Opendir(node_));
  ASSERT_OK_AND_ASSIGN(const auto other, fuse().Readdir(node_, HandleOf(second), 0, 1024));
  ASSERT_FALSE(first.empty());
  EXPECT_EQ(other.front().name, first.front().name);
}

TEST_F(DirectoryTest, FsyncdirAndReleasedirSucceedAndTheHandleIsGone) {
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(1));
  EXPECT_OK(fuse().Fsyncdir(node_, handle_));
  EXPECT_OK(fuse().Fsyncdir(node_, handle_, /*data_only=*/true));
  ASSERT_OK(fuse().Releasedir(node_, handle_));
  EXPECT_ERRNO(ReadOnce(false, 0, 4096), EBADF);
}

TEST_F(DirectoryTest, RemovedDirectoryIsEnoent) {
  // As getdents64(2) has it.
  ASSERT_NO_FATAL_FAILURE(OpenDirectoryWith(0));
  ASSERT_OK(fuse().Rmdir(kRoot, "directory"));
  EXPECT_ERRNO(ReadOnce(false, 0, 4096), ENOENT);
  EXPECT_ERRNO(ReadOnce(true, 0, 4096), ENOENT);
}

}  // namespace
}  // namespace postern
