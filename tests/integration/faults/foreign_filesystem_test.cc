// Shares that lie on filesystems unlike ext4: what their files, names and directories need.
#include "tests/integration/faults/faults_fixture.h"

namespace postern {
namespace {

using testing::IsEmpty;
using vmm::DirectoryEntry;
using vmm::HandleOf;
using vmm::NodeOf;

class ForeignFilesystemTest : public FaultsFixture {
 protected:
  // Files of these names, on FUSE, in a daemon with few descriptors.
  void StartOn(ScriptedFilesystem::Files files) {
    if (IsSkipped()) return;
    ASSERT_NO_FATAL_FAILURE(MountScripted("mounted", std::move(files)));
    Setup setup;
    setup.daemon_options = {"--request-queues=1", "--rlimit-nofile=2000"};
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "mounted"));
    directory_ = NodeOf(entry);
  }
  std::vector<DirectoryEntry> List(uint64_t offset, size_t size) {
    const auto opened = fuse().Opendir(directory_);
    EXPECT_OK(opened);
    const auto entries = fuse().Readdir(directory_, HandleOf(*opened), offset, size);
    EXPECT_OK(entries);
    EXPECT_OK(fuse().Releasedir(directory_, HandleOf(*opened)));
    return entries.ok() ? *entries : std::vector<DirectoryEntry>();
  }

  NodeId directory_{0};
};

TEST_F(ForeignFilesystemTest, WhatTheGuestKnowsOnFuseStaysKnown) {
  ScriptedFilesystem::Files files;
  for (int i = 0; i < 600; ++i) files["f" + std::to_string(i)] = "content";
  ASSERT_NO_FATAL_FAILURE(StartOn(files));
  if (IsSkipped()) return;
  std::vector<NodeId> nodes;
  for (const auto& [name, content] : files) {
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(directory_, name));
    nodes.push_back(NodeOf(entry));
  }
  scripted().DropNames();
  size_t stale = 0;
  for (const NodeId node : nodes) stale += fuse().Getattr(node).ok() ? 0 : 1;
  EXPECT_EQ(stale, 0u) << "of " << nodes.size();
  ASSERT_TRUE(daemon().HasSaid("File handles don't work"));
  EXPECT_EQ(LogLines("File handles don't work"), 1u);
}

TEST_F(ForeignFilesystemTest, NamesAreAsLongAsTheFilesystemHasThem) {
  std::string korean;
  for (int i = 0; i < 100; ++i) korean += "\xea\xb0\x80";  // 300 bytes.
  const std::string longest(1024, 'x');
  ASSERT_NO_FATAL_FAILURE(StartOn({{korean, "content"}, {longest, ""}}));
  if (IsSkipped()) return;
  for (const std::string& name : {korean, longest}) {
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(directory_, name));
    EXPECT_OK(fuse().Open(NodeOf(entry), O_RDONLY));
  }
  EXPECT_ERRNO(fuse().Lookup(directory_, longest + "x"), ENAMETOOLONG);
  EXPECT_ERRNO(fuse().Lookup(kRoot, std::string(256, 'x')), ENAMETOOLONG) << "the local one's";
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(directory_));
  ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdirplus(directory_, HandleOf(opened), 0));
  ASSERT_EQ(entries.size(), 2u);
  for (const DirectoryEntry& entry : entries) EXPECT_NE(entry.entry.nodeid, 0u);
}

TEST_F(ForeignFilesystemTest, ListingGoesOnFromAnyOffset) {
  ScriptedFilesystem::Files files;
  for (int i = 0; i < 300; ++i) files["name" + std::to_string(1000 + i)] = "";
  ASSERT_NO_FATAL_FAILURE(StartOn(files));
  if (IsSkipped()) return;
  const std::vector<DirectoryEntry> all = List(0, 64 * 1024);
  ASSERT_EQ(all.size(), files.size());
  // From each of them, by a handle that has read nothing.
  for (size_t i : {size_t{0}, size_t{1}, size_t{150}, files.size() - 2}) {
    ASSERT_GE(all[i].next_offset, uint64_t{1} << 63);
    const std::vector<DirectoryEntry> rest = List(all[i].next_offset, 32);
    ASSERT_EQ(rest.size(), 1u) << i;
    EXPECT_EQ(rest.front().name, all[i + 1].name);
  }
  EXPECT_THAT(List(all.back().next_offset, 4096), IsEmpty());
  EXPECT_THAT(List(~uint64_t{0}, 4096), IsEmpty()) << "an offset that nobody has given";
  // And on from there, forwards, backwards, from the start.
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(directory_));
  for (size_t i : {size_t{10}, size_t{11}, size_t{200}, size_t{5}}) {
    ASSERT_OK_AND_ASSIGN(const auto entries,
                         fuse().Readdir(directory_, HandleOf(opened), all[i].next_offset, 32));
    ASSERT_EQ(entries.size(), 1u) << i;
    EXPECT_EQ(entries.front().name, all[i + 1].name);
  }
  ASSERT_OK_AND_ASSIGN(const auto first, fuse().Readdir(directory_, HandleOf(opened), 0, 64));
  EXPECT_EQ(first.front().name, all.front().name);
}

}  // namespace
}  // namespace postern
