// --inode-file-handles: what the broker holds for the files that the guest knows.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/sanitized.h"
#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using testing::HasSubstr;
using vmm::HandleOf;
using vmm::NodeOf;

// A daemon in a mode, in a mount namespace of the test program's own. The shared directory is a
// tmpfs: it has file handles, and it goes quickly.
class FileHandleModeTest : public ShareFixture {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH";
    ShareFixture::SetUp();
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("tmpfs", share_.c_str(), "tmpfs", 0, "mode=777,size=1g"), 0);
  }
  void TearDown() override {
    if (geteuid() != 0) return;
    ShareFixture::TearDown();
    umount2(share_.c_str(), MNT_DETACH);  // With all that is mounted there.
  }

  static std::string Option(const char* mode) {
    return std::string("--inode-file-handles=") + mode;
  }
  void StartIn(const char* mode) {
    Setup setup;
    setup.daemon_options = {Option(mode)};
    ASSERT_NO_FATAL_FAILURE(Start(setup));
  }
  // So few that not all files in use have one besides their handle.
  void StartWithFewDescriptors(const char* mode) {
    Setup setup;
    setup.daemon_options = {Option(mode), "--rlimit-nofile=1024"};
    ASSERT_NO_FATAL_FAILURE(Start(setup));
  }
  // An overlay without the options that would give it handles.
  void MountOverlay() {
    for (const char* name : {"lower", "upper", "work", "overlay"}) MakeHostDirectory(name);
    WriteHost("lower/file", "lower");
    const std::string options = "lowerdir=" + Host("lower") + ",upperdir=" + Host("upper") +
                                ",workdir=" + Host("work") + ",index=off,nfs_export=off";
    ASSERT_EQ(mount("overlay", Host("overlay").c_str(), "overlay", 0, options.c_str()), 0)
        << Errno::Last().Message();
  }

  pid_t Broker() { return daemon().ProcessNamed("postern-broker"); }
  size_t BrokerDescriptors() { return vmm::ListDescriptors(Broker())->size(); }
  uint64_t BrokerKilobytes() { return std::stoull(vmm::StatusField(Broker(), "VmRSS")); }

  void MakeFiles(const std::string& directory, size_t count) {
    MakeHostDirectory(directory);
    for (size_t i = 0; i < count; ++i) {
      const UniqueFd file(open(Host(directory + "/file-" + std::to_string(i)).c_str(),
                               O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
      ASSERT_TRUE(file.valid());
    }
  }
  // Makes all files of a directory known. Returns how many there are.
  size_t Walk(const std::string& name) {
    const auto directory = fuse().Lookup(kRoot, name);
    EXPECT_OK(directory);
    const auto opened = fuse().Opendir(NodeOf(*directory));
    EXPECT_OK(opened);
    size_t known = 0;
    uint64_t offset = 0;
    for (;;) {
      const auto entries =
          fuse().Readdirplus(NodeOf(*directory), HandleOf(*opened), offset, 256 * 1024);
      EXPECT_OK(entries);
      if (!entries.ok() || entries->empty()) break;
      for (const vmm::DirectoryEntry& entry : *entries) known += entry.entry.nodeid != 0;
      offset = entries->back().next_offset;
    }
    EXPECT_OK(fuse().Releasedir(NodeOf(*directory), HandleOf(*opened)));
    return known;
  }
};

TEST_F(FileHandleModeTest, NeverHoldsADescriptorForEachFile) {
  ASSERT_NO_FATAL_FAILURE(StartIn("never"));
  ASSERT_NO_FATAL_FAILURE(MakeFiles("files", 100));
  const size_t before = BrokerDescriptors();
  EXPECT_EQ(Walk("files"), 100u);
  EXPECT_EQ(BrokerDescriptors(), before + 101);
}

TEST_F(FileHandleModeTest, PreferHoldsFewDescriptorsForManyFiles) {
  POSTERN_ONLY("virtiofsd holds none");
  ASSERT_NO_FATAL_FAILURE(StartWithFewDescriptors("prefer"));
  ASSERT_NO_FATAL_FAILURE(MakeFiles("files", 2000));
  const size_t before = BrokerDescriptors();
  EXPECT_EQ(Walk("files"), 2000u);
  EXPECT_GT(BrokerDescriptors(), before) << "those in use";
  EXPECT_LE(BrokerDescriptors(), before + 1024 / 16);
}

TEST_F(FileHandleModeTest, KnownFileTakesLessThan200Bytes) {
  POSTERN_ONLY("virtiofsd has its own measure");
  ASSERT_NO_FATAL_FAILURE(StartIn("mandatory"));
  ASSERT_NO_FATAL_FAILURE(MakeFiles("few", 1000));
  constexpr size_t kFiles = 100'000;
  ASSERT_NO_FATAL_FAILURE(MakeFiles("many", kFiles));
  Walk("few");  // Buffers and arenas are there from now on.
  const uint64_t before = BrokerKilobytes();
  ASSERT_EQ(Walk("many"), kFiles);
  const double bytes = static_cast<double>(BrokerKilobytes() - before) * 1024 / kFiles;
  RecordProperty("bytes_per_file", std::to_string(bytes));
  constexpr double kBound = kSanitized ? 400 : 200;  // With AddressSanitizer's red zones.
  EXPECT_LT(bytes, kBound);
  EXPECT_GT(bytes, 50) << "nothing was measured";
}

class EachFileHandleModeTest : public FileHandleModeTest,
                               public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(, EachFileHandleModeTest, testing::Values("never", "prefer", "mandatory"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(EachFileHandleModeTest, OpenFileStaysUsableAfterItWasDeleted) {
  ASSERT_NO_FATAL_FAILURE(StartIn(GetParam()));
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile file, fuse().Create(kRoot, "file", O_RDWR));
  ASSERT_OK(fuse().WriteString(NodeOf(file.entry), HandleOf(file.opened), 0, "content"));
  ASSERT_OK(fuse().Unlink(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Getattr(NodeOf(file.entry)));
  EXPECT_EQ(attributes.nlink, 0u);
  EXPECT_EQ(attributes.size, 7u);
  fuse_setattr_in change{};
  change.valid = FATTR_MODE | FATTR_SIZE;
  change.mode = 0600;
  change.size = 3;
  ASSERT_OK_AND_ASSIGN(const fuse_attr changed, fuse().Setattr(NodeOf(file.entry), change));
  EXPECT_EQ(changed.mode, uint32_t{S_IFREG} | 0600);
  EXPECT_EQ(changed.size, 3u);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out again, fuse().Open(NodeOf(file.entry), O_RDONLY));
  EXPECT_OK(fuse().ReadString(NodeOf(file.entry), HandleOf(again), 0, 3));
}

TEST_F(FileHandleModeTest, DeletedFileIsStale) {
  ASSERT_NO_FATAL_FAILURE(StartWithFewDescriptors("prefer"));
  WriteHost("file", "content");
  ASSERT_NO_FATAL_FAILURE(MakeFiles("files", 2000));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out file, fuse().Lookup(kRoot, "file"));
  // Until then it may have a descriptor that keeps it.
  Walk("files");
  ASSERT_EQ(unlink(Host("file").c_str()), 0);
  EXPECT_ERRNO(fuse().Getattr(NodeOf(file)), ESTALE);
  EXPECT_ERRNO(fuse().Open(NodeOf(file), O_RDONLY), ESTALE);
}

// As a local filesystem answers for a working directory, a fifo in use, an O_PATH descriptor.
TEST_F(FileHandleModeTest, WhatTheGuestDeletesAnswersForAsLongAsItIsKnown) {
  ASSERT_NO_FATAL_FAILURE(StartWithFewDescriptors("prefer"));
  ASSERT_NO_FATAL_FAILURE(MakeFiles("files", 2000));
  MakeHostDirectory("cwd");
  WriteHost("file", "content");
  WriteHost("replaced", "other");
  WriteHost("new", "");
  const auto node = [&](const char* name) {
    const auto entry = fuse().Lookup(kRoot, name);
    EXPECT_OK(entry);
    return NodeOf(*entry);
  };
  const NodeId cwd = node("cwd");
  const NodeId file = node("file");
  const NodeId replaced = node("replaced");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out fifo, fuse().Mknod(kRoot, "fifo", S_IFIFO | 0600));
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile open, fuse().Create(kRoot, "open", O_RDWR));
  // None of them has a descriptor any more.
  Walk("files");
  ASSERT_OK(fuse().Rmdir(kRoot, "cwd"));
  ASSERT_OK(fuse().Unlink(kRoot, "file"));
  ASSERT_OK(fuse().Unlink(kRoot, "fifo"));
  ASSERT_OK(fuse().Unlink(kRoot, "open"));
  ASSERT_OK(fuse().Rename(kRoot, "new", kRoot, "replaced"));
  ASSERT_OK(fuse().Release(NodeOf(open.entry), HandleOf(open.opened)));
  Walk("files");
  for (const NodeId known : {cwd, file, replaced, NodeOf(fifo), NodeOf(open.entry)}) {
    EXPECT_OK(fuse().Getattr(known));
  }
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Getattr(replaced));
  EXPECT_EQ(attributes.size, 5u) << "the one that replaced it";
  EXPECT_EQ(attributes.nlink, 0u);
}

TEST_F(FileHandleModeTest, DeletedFilesDescriptorsGoWhenTheyAreForgotten) {
  ASSERT_NO_FATAL_FAILURE(StartWithFewDescriptors("prefer"));
  ASSERT_OK(fuse().Mkdir(kRoot, "warm"));
  const size_t before = BrokerDescriptors();
  for (int i = 0; i < 300; ++i) {
    const std::string name = "d" + std::to_string(i);
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out made, fuse().Mkdir(kRoot, name));
    ASSERT_OK(fuse().Rmdir(kRoot, name));
    ASSERT_OK(fuse().Forget(NodeOf(made), 1));
  }
  ASSERT_OK(fuse().Getattr(kRoot));  // Behind the last FORGET.
  EXPECT_LE(BrokerDescriptors(), before + 1);
}

// A guest that forgets nothing has no more descriptors than the cache has room for.
TEST_F(FileHandleModeTest, DeletedFilesKeepWithinTheCache) {
  ASSERT_NO_FATAL_FAILURE(StartWithFewDescriptors("prefer"));
  const size_t before = BrokerDescriptors();
  std::vector<NodeId> nodes;
  for (int i = 0; i < 2000; ++i) {
    const std::string name = "d" + std::to_string(i);
    ASSERT_OK_AND_ASSIGN(const fuse_entry_out made, fuse().Mkdir(kRoot, name));
    ASSERT_OK(fuse().Rmdir(kRoot, name));
    nodes.push_back(NodeOf(made));
  }
  EXPECT_LE(BrokerDescriptors(), before + 1024 / 16);
  EXPECT_OK(fuse().Getattr(nodes.front()));
  ASSERT_NO_FATAL_FAILURE(MakeFiles("files", 100));
  EXPECT_EQ(Walk("files"), 100u);
}

TEST_F(FileHandleModeTest, PreferHoldsDescriptorsWhereTheFilesystemHasNoHandles) {
  ASSERT_NO_FATAL_FAILURE(MountOverlay());
  ASSERT_NO_FATAL_FAILURE(StartIn("prefer"));
  const size_t before = BrokerDescriptors();
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out overlay, fuse().Lookup(kRoot, "overlay"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out file, fuse().Lookup(NodeOf(overlay), "file"));
  EXPECT_EQ(BrokerDescriptors(), before + 2);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out again, fuse().Lookup(NodeOf(overlay), "file"));
  EXPECT_EQ(again.nodeid, file.nodeid);
  EXPECT_OK(fuse().Open(NodeOf(file), O_RDWR));
  EXPECT_OK(fuse().Create(NodeOf(overlay), "made", O_RDWR));
  // Said once, whatever the guest does.
  ASSERT_OK(fuse().Forget(NodeOf(overlay), 1));
  EXPECT_TRUE(daemon().HasSaid("File handles don't work"));
  const std::string output = daemon().Output();
  const size_t said = output.find("File handles don't work");
  ASSERT_NE(said, std::string::npos) << output;
  EXPECT_EQ(output.find("File handles don't work", said + 1), std::string::npos) << output;
}

TEST_F(FileHandleModeTest, MandatoryIsAnErrorWhereTheFilesystemHasNoHandles) {
  ASSERT_NO_FATAL_FAILURE(MountOverlay());
  WriteHost("file", "content");
  ASSERT_NO_FATAL_FAILURE(StartIn("mandatory"));
  EXPECT_ERRNO(fuse().Lookup(kRoot, "overlay"), EOPNOTSUPP);
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(FileHandleModeTest, SharedDirectoryWithoutHandlesStartsUnlessTheyAreMandatory) {
  POSTERN_ONLY("other words");
  ASSERT_NO_FATAL_FAILURE(MountOverlay());
  ASSERT_NO_FATAL_FAILURE(StartDaemon({Option("mandatory"), "--shared-dir", Host("overlay")}));
  EXPECT_EQ(daemon().WaitForExit(), 1);
  EXPECT_THAT(daemon().Output(), HasSubstr("using file handles in the shared directory"));
  daemon_.reset();

  Setup setup;
  setup.daemon_options = {Option("prefer"), "--shared-dir", Host("overlay")};
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  EXPECT_TRUE(daemon().HasSaid("File handles can't be used"));
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

class EachSandboxTest : public FileHandleModeTest,
                        public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(, EachSandboxTest, testing::Values("namespace", "chroot", "none"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(EachSandboxTest, HandlesOnASubmountCanBeOpened) {
  MakeHostDirectory("mounted");
  ASSERT_EQ(mount("tmpfs", Host("mounted").c_str(), "tmpfs", 0, "size=1m"), 0);
  WriteHost("mounted/inner", "inner");
  Setup setup;
  setup.daemon_options = {Option("mandatory"), std::string("--sandbox=") + GetParam()};
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out mounted, fuse().Lookup(kRoot, "mounted"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out inner, fuse().Lookup(NodeOf(mounted), "inner"));
  ASSERT_OK_AND_ASSIGN(const fuse_attr attributes, fuse().Getattr(NodeOf(inner)));
  EXPECT_EQ(attributes.size, 5u);
  EXPECT_OK(fuse().Open(NodeOf(inner), O_RDONLY));
}

}  // namespace
}  // namespace postern
