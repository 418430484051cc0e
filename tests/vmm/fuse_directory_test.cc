#include "tests/vmm/fuse_directory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string_view>

namespace postern::vmm {
namespace {

// A dirent as FUSE pads it.
std::string Record(std::string_view name, uint32_t claimed_length) {
  fuse_dirent header{};
  header.ino = 7;
  header.off = 9;
  header.namelen = claimed_length;
  header.type = 8;
  std::string record(reinterpret_cast<const char*>(&header), offsetof(fuse_dirent, name));
  record += name;
  record.resize((record.size() + 7) & ~size_t{7});
  return record;
}

ErrnoOr<std::vector<DirectoryEntry>> Parse(std::string_view bytes, bool plus = false) {
  return ParseDirectoryEntries(std::as_bytes(std::span(bytes.data(), bytes.size())), plus);
}

TEST(ParseDirectoryEntriesTest, ReadsSeveralRecords) {
  const auto entries = Parse(Record("a", 1) + Record("longer name", 11));
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[1].name, "longer name");
  EXPECT_EQ((*entries)[1].next_offset, 9u);
  EXPECT_EQ((*entries)[1].ino, 7u);
}

TEST(ParseDirectoryEntriesTest, NothingIsNoEntry) { EXPECT_EQ(Parse("")->size(), 0u); }

TEST(ParseDirectoryEntriesTest, ReadsTheEntryOfReaddirplus) {
  fuse_entry_out out{};
  out.nodeid = 42;
  const std::string prefix(reinterpret_cast<const char*>(&out), sizeof(out));
  const auto entries = Parse(prefix + Record("a", 1), /*plus=*/true);
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ((*entries)[0].entry.nodeid, 42u);
}

TEST(ParseDirectoryEntriesTest, CutOrUnpaddedRecordIsEproto) {
  const std::string record = Record("name", 4);
  EXPECT_EQ(Parse(std::string_view(record).substr(0, 23)).errno_value(), EPROTO);
  EXPECT_EQ(Parse(std::string_view(record).substr(0, 28)).errno_value(), EPROTO);
}

TEST(ParseDirectoryEntriesTest, NamesThatLinuxRefusesAreEproto) {
  EXPECT_EQ(Parse(Record("", 0)).errno_value(), EPROTO);
  EXPECT_EQ(Parse(Record("a/b", 3)).errno_value(), EPROTO);
  EXPECT_EQ(Parse(Record(std::string(1025, 'n'), 1025)).errno_value(), EPROTO);
  EXPECT_EQ(Parse(Record("a", 0xfffffff0)).errno_value(), EPROTO);
}

}  // namespace
}  // namespace postern::vmm
