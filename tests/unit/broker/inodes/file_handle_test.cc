// Operations on inodes that are known by file handles.
#include "broker/inodes/file_handle.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "broker/inodes/file_status.h"
#include "broker/operations/lookup.h"
#include "tests/unit/broker/crowd_out.h"
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

class FileHandleTest : public FilesystemTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs CAP_DAC_READ_SEARCH";
    handles_ = MountTable::Policy::kDescriptor;
    FilesystemTest::SetUp();
    // What a session holds: the root and its mount.
    base_ = filesystem_->budget().used();
  }
  void TearDown() override {
    if (filesystem_) FilesystemTest::TearDown();
  }

  int GetAttributes(uint64_t node) {
    rpc::Request request;
    request.mutable_get_attributes()->set_node_id(node);
    return Run(request);
  }
  int Open(uint64_t node, uint32_t flags = O_RDWR) {
    rpc::Request request;
    request.mutable_open()->set_node_id(node);
    request.mutable_open()->set_flags(flags);
    return Run(request);
  }
  int SetMode(uint64_t node, uint32_t mode) {
    rpc::Request request;
    request.mutable_set_attributes()->set_node_id(node);
    request.mutable_set_attributes()->set_mode(mode);
    return Run(request);
  }
  int SetSize(uint64_t node, uint64_t size) {
    rpc::Request request;
    request.mutable_set_attributes()->set_node_id(node);
    request.mutable_set_attributes()->set_size(size);
    return Run(request);
  }
  int Release(uint64_t node, uint64_t file) {
    rpc::Request request;
    request.mutable_release()->set_node_id(node);
    request.mutable_release()->set_open_file_id(file);
    return Run(request);
  }
  void Forget(uint64_t node, uint64_t count = 1) { session_->inodes.Forget(NodeId(node), count); }
  // Takes the right to open handles from the calling thread.
  static void LoseHandles() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2] = {};
    ASSERT_EQ(syscall(SYS_capget, &header, sets), 0);
    sets[0].effective &= ~(1u << CAP_DAC_READ_SEARCH);
    ASSERT_EQ(syscall(SYS_capset, &header, sets), 0);
  }

  size_t base_ = 0;
};

TEST_F(FileHandleTest, KnownInodeNeedsNoDescriptor) {
  share_.Write("file");
  const auto before = OpenDescriptors();
  const uint64_t node = Lookup("file");
  EXPECT_EQ(filesystem_->budget().used(), base_);
  CrowdOut(session_->inodes);
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(GetAttributes(node), 0);
  Forget(node);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(FileHandleTest, DescriptorOfTheLookupServesWhatFollows) {
  share_.Write("file");
  ASSERT_EQ(mkdir(share_.Path("directory").c_str(), 0755), 0);
  share_.Write("directory/below");
  const uint64_t node = Lookup("file");
  const uint64_t directory = Lookup("directory");
  const uint64_t below = Lookup("below", directory);
  // Without the right to open handles, and in a thread that then ends.
  std::thread([&] {
    LoseHandles();
    EXPECT_EQ(GetAttributes(node), 0);
    EXPECT_EQ(Lookup("file"), node);
    EXPECT_EQ(Lookup("below", directory), below);
    EXPECT_EQ(Open(node), 0);
    CrowdOut(session_->inodes);
    EXPECT_EQ(GetAttributes(below), EPERM);
  }).join();
  EXPECT_EQ(Count(node), 2u);
}

TEST_F(FileHandleTest, DescriptorComesBackWithTheNextUse) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  CrowdOut(session_->inodes);
  EXPECT_EQ(GetAttributes(node), 0);
  std::thread([&] {
    LoseHandles();
    EXPECT_EQ(GetAttributes(node), 0);
  }).join();
}

TEST_F(FileHandleTest, LookupsAloneBringDescriptorsBackInTheEnd) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  CrowdOut(session_->inodes);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Lookup("file"), node);
  EXPECT_NE(session_->inodes.CachedPath(**session_->inodes.Get(NodeId(node))), nullptr);
}

TEST_F(FileHandleTest, OpenFileServesAnInodeThatIsNotInTheCache) {
  ASSERT_EQ(Run(requests::Create("made", O_RDWR)), 0);
  const uint64_t node = reply_.created().entry().node_id();
  const uint64_t file = reply_.created().opened().open_file_id();
  std::thread([&] {
    LoseHandles();
    EXPECT_EQ(GetAttributes(node), 0);
    EXPECT_EQ(Release(node, file), 0);
    EXPECT_EQ(GetAttributes(node), EPERM);
  }).join();
  EXPECT_EQ(filesystem_->budget().cached(), 0u);
}

TEST_F(FileHandleTest, FewDescriptorsAreSharedByAllAndNobodyMissesThem) {
  for (int i = 0; i < 50; ++i) share_.Write("file" + std::to_string(i));
  for (int i = 0; i < 50; ++i) Lookup("file" + std::to_string(i));
  EXPECT_EQ(filesystem_->budget().cached(), kDescriptors / 16);
  EXPECT_EQ(filesystem_->budget().limit(), kDescriptors - kDescriptors / 16);
  EXPECT_EQ(filesystem_->budget().used(), base_);
  for (int i = 0; i < 50; ++i) {
    const uint64_t node = Lookup("file" + std::to_string(i));
    EXPECT_EQ(GetAttributes(node), 0);
    EXPECT_EQ(reply_.attributes().ino(), share_.Stat("file" + std::to_string(i)).st_ino);
  }
}

TEST_F(FileHandleTest, NextSessionBeginsWithoutDescriptors) {
  share_.Write("file");
  Lookup("file");
  EXPECT_EQ(filesystem_->budget().cached(), 1u);
  context_.reset();
  session_.reset();
  EXPECT_EQ(filesystem_->budget().cached(), 0u);
}

// What was expected of a name changes the system calls, and not the answer.
TEST_F(FileHandleTest, WrongExpectationsGiveTheSameAnswers) {
  share_.Write("known");
  share_.Write("new");
  const uint64_t known = Lookup("known");
  const auto root = Pin(*context_, kRootNodeId);
  struct statx status;
  const auto look_up = [&](const char* name, Expect expect) {
    return (*LookUp(*context_, *root, *PathComponent::Parse(name), status, expect))->id().value();
  };
  EXPECT_EQ(look_up("known", Expect::kNew), known);
  EXPECT_EQ(status.stx_ino, share_.Stat("known").st_ino);
  EXPECT_EQ(look_up("known", Expect::kKnown), known);
  CrowdOut(session_->inodes);
  EXPECT_EQ(look_up("known", Expect::kNew), known);
  const uint64_t fresh = look_up("new", Expect::kKnown);
  EXPECT_EQ(status.stx_ino, share_.Stat("new").st_ino);
  EXPECT_EQ(look_up("new", Expect::kNew), fresh);
  EXPECT_EQ(Count(known), 4u);
  EXPECT_EQ(Count(fresh), 2u);
  EXPECT_EQ(Run(LookupOf(kRoot, "none")), ENOENT);
}

TEST_F(FileHandleTest, SecondLookupFindsTheSameNode) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  ASSERT_EQ(link(share_.Path("file").c_str(), share_.Path("other").c_str()), 0);
  EXPECT_EQ(Lookup("file"), node);
  EXPECT_EQ(Lookup("other"), node);
  EXPECT_EQ(Count(node), 3u);
}

TEST_F(FileHandleTest, LookupsGoOnWithTheDescriptorsUsedUp) {
  share_.Write("file");
  std::vector<DescriptorBudget::Share> all;
  for (auto share = filesystem_->budget().Take(); share.ok();
       share = filesystem_->budget().Take()) {
    all.push_back(std::move(*share));
  }
  EXPECT_EQ(Run(LookupOf(kRoot, "file")), 0);
}

TEST_F(FileHandleTest, EveryTypeOfFileIsKnown) {
  share_.Write("file");
  ASSERT_EQ(mkdir(share_.Path("directory").c_str(), 0755), 0);
  ASSERT_EQ(symlink("nowhere", share_.Path("symlink").c_str()), 0);
  ASSERT_EQ(mkfifo(share_.Path("fifo").c_str(), 0644), 0);
  for (const char* name : {"file", "directory", "symlink", "fifo"}) {
    const uint64_t node = Lookup(name);
    EXPECT_EQ(GetAttributes(node), 0) << name;
    EXPECT_EQ(reply_.attributes().ino(), share_.Stat(name).st_ino) << name;
  }
  rpc::Request request;
  request.mutable_read_link()->set_node_id(Lookup("symlink"));
  ASSERT_EQ(Run(request), 0);
  EXPECT_EQ(reply_.link_target(), "nowhere");
  EXPECT_EQ(Open(Lookup("fifo")), EBADF);
}

TEST_F(FileHandleTest, NodeFollowsItsFileThroughRenames) {
  share_.Write("file", "text");
  const uint64_t node = Lookup("file");
  ASSERT_EQ(mkdir(share_.Path("directory").c_str(), 0755), 0);
  ASSERT_EQ(rename(share_.Path("file").c_str(), share_.Path("directory/moved").c_str()), 0);
  share_.Write("file", "another");
  EXPECT_EQ(GetAttributes(node), 0);
  EXPECT_EQ(reply_.attributes().size(), 4u);
  EXPECT_NE(Lookup("file"), node);
  EXPECT_EQ(Lookup("moved", Lookup("directory")), node);
}

TEST_F(FileHandleTest, NodeOfADeletedFileIsStaleAndNeverTheNextFile) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  CrowdOut(session_->inodes);  // While it has a descriptor the file stays.
  const ino_t number = share_.Stat("file").st_ino;
  // Until the filesystem gives the number to another file, if it does.
  for (int i = 0; i < 1000; ++i) {
    unlink(share_.Path("file").c_str());
    share_.Write("file");
    if (share_.Stat("file").st_ino == number) break;
  }
  EXPECT_EQ(GetAttributes(node), ESTALE);
  EXPECT_EQ(Open(node), ESTALE);
  EXPECT_NE(Lookup("file"), node);
}

TEST_F(FileHandleTest, OpenFileStaysUsableThroughItsNodeAfterItWasDeleted) {
  share_.Write("file", "text");
  const uint64_t node = Lookup("file");
  ASSERT_EQ(Open(node), 0);
  const uint64_t file = reply_.opened().open_file_id();
  ASSERT_EQ(unlink(share_.Path("file").c_str()), 0);
  EXPECT_EQ(GetAttributes(node), 0);
  EXPECT_EQ(reply_.attributes().nlink(), 0u);
  EXPECT_EQ(SetMode(node, 0600), 0);
  EXPECT_EQ(SetSize(node, 1), 0);
  EXPECT_EQ(reply_.attributes().size(), 1u);
  EXPECT_EQ(reply_.attributes().mode(), uint32_t{S_IFREG} | 0600);
  ASSERT_EQ(Open(node), 0);
  const uint64_t again = reply_.opened().open_file_id();
  EXPECT_EQ(Release(node, file), 0);
  EXPECT_EQ(GetAttributes(node), 0) << "the other open file is there still";
  EXPECT_EQ(Release(node, again), 0);
  CrowdOut(session_->inodes);
  EXPECT_EQ(GetAttributes(node), ESTALE);
}

// Some filesystems open a deleted file's handle while somebody has the file open; others don't.
TEST_F(FileHandleTest, NodeWhoseHandleIsStaleIsReachedThroughItsOpenFile) {
  share_.Write("gone");
  struct statx status;
  UniqueFd gone = OpenPathTo(share_.Path("gone"));
  ASSERT_TRUE(StatDescriptor(gone.get(), status).ok());
  FileHandle handle;
  ASSERT_TRUE(handle.Set(gone.get()).ok());
  InodeParts parts{.key = {IdentityOf(status), handle.view()},
                   .type = S_IFREG,
                   .path = {},
                   .mount = (*session_->inodes.Get(kRootNodeId))->mount(),
                   .spare = UniqueFd()};
  const NodeId node = (*session_->inodes.InsertOrFind(std::move(parts)))->id();
  gone.Reset();
  unlink(share_.Path("gone").c_str());
  ASSERT_EQ(GetAttributes(node.value()), ESTALE);
  // What stands for the open file.
  share_.Write("file", "text");
  BudgetedFd fd;
  fd.fd.Reset(open(share_.Path("file").c_str(), O_RDWR | O_CLOEXEC));
  const auto file = session_->open_files.Insert(
      std::make_shared<OpenFile>(node, OpenFile::Kind::kFile, O_RDWR, std::move(fd)));
  ASSERT_TRUE(file.ok());

  ASSERT_EQ(GetAttributes(node.value()), 0);
  EXPECT_EQ(reply_.attributes().size(), 4u);
  EXPECT_EQ(SetMode(node.value(), 0600), 0);
  EXPECT_EQ(SetSize(node.value(), 1), 0);
  ASSERT_EQ(Open(node.value()), 0);
  EXPECT_EQ(Release(node.value(), reply_.opened().open_file_id()), 0);
  EXPECT_EQ(share_.Read("file"), "t");
  EXPECT_EQ(Release(node.value(), file->value()), 0);
  EXPECT_EQ(GetAttributes(node.value()), ESTALE);
}

TEST_F(FileHandleTest, OpenDirectoryStaysUsableThroughItsNodeAfterItWasRemoved) {
  ASSERT_EQ(mkdir(share_.Path("directory").c_str(), 0755), 0);
  const uint64_t node = Lookup("directory");
  rpc::Request request;
  request.mutable_open_directory()->set_node_id(node);
  ASSERT_EQ(Run(request), 0);
  ASSERT_EQ(rmdir(share_.Path("directory").c_str()), 0);
  EXPECT_EQ(GetAttributes(node), 0);
  EXPECT_EQ(SetMode(node, 0700), 0);
  EXPECT_EQ(Run(LookupOf(node, "name")), ENOENT);
}

TEST_F(FileHandleTest, CreatedFileIsTheOneThatLookupFinds) {
  rpc::Request request;
  rpc::CreateRequest& create = *request.mutable_create();
  create.set_parent(kRoot);
  create.set_name("made");
  create.set_flags(O_RDWR);
  create.set_mode(0644);
  create.mutable_credentials();
  ASSERT_EQ(Run(request), 0);
  const uint64_t node = reply_.created().entry().node_id();
  EXPECT_EQ(Lookup("made"), node);
  EXPECT_EQ(Count(node), 2u);
  EXPECT_EQ(filesystem_->budget().used(), base_ + 1) << "that of the open file";
}

// O_TMPFILE: no handle leads to it before it gets a name, and some day it may.
TEST_F(FileHandleTest, InodeWithoutANameKeepsItsDescriptorAndItsNodeWhenItGetsOne) {
  InodeRoom room;
  const UniqueFd file(open(share_.Path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(file);
  room.path.share = *filesystem_->budget().Take();
  room.path.fd = *filesystem_->proc_fd().OpenPath(file.get());
  struct statx status;
  const auto root = session_->inodes.Get(kRootNodeId);
  const auto inode = AddInode(*context_, **root, std::move(room), status, /*keep_descriptor=*/true);
  ASSERT_TRUE(inode.ok());
  const uint64_t node = (*inode)->id().value();
  EXPECT_TRUE((*inode)->has_descriptor());
  EXPECT_EQ(GetAttributes(node), 0);

  rpc::Request request;
  request.mutable_link()->set_node_id(node);
  request.mutable_link()->set_new_parent(kRoot);
  request.mutable_link()->set_new_name("named");
  ASSERT_EQ(Run(request), 0);
  EXPECT_EQ(reply_.entry().node_id(), node);
  EXPECT_EQ(Lookup("named"), node);
}

TEST_F(FileHandleTest, ReaddirplusAndLookupAgree) {
  share_.Write("file");
  ASSERT_EQ(Run(requests::OpenDirectory(kRoot)), 0);
  const uint64_t directory = reply_.opened().open_file_id();
  ASSERT_EQ(Run(requests::ReadDirectory(kRoot, directory, 0, 4096, /*with_entries=*/true)), 0);
  uint64_t listed = 0;
  for (const auto& item : reply_.listing().items()) {
    if (item.name() == "file") listed = item.entry().node_id();
  }
  EXPECT_EQ(Lookup("file"), listed);
}

// The name changes its file between any two system calls of a lookup. Whatever a lookup answers,
// node and attributes must be of one and the same file.
TEST_F(FileHandleTest, LookupsOfANameThatChangesItsFileNeverMixTwo) {
  share_.Write("a", "1");
  share_.Write("b", "22");
  const uint64_t a = Lookup("a"), b = Lookup("b");
  share_.Write("name");
  std::atomic<bool> stop = false;
  std::thread host([&] {
    for (bool odd = false; !stop; odd = !odd) {
      std::error_code ignored;
      std::filesystem::create_hard_link(share_.Path(odd ? "a" : "b"), share_.Path("next"), ignored);
      (void)rename(share_.Path("next").c_str(), share_.Path("name").c_str());
      (void)unlink(share_.Path("next").c_str());
    }
  });
  int seen_a = 0, seen_b = 0;
  for (int i = 0; i < 200'000 && (seen_a < 3000 || seen_b < 3000); ++i) {
    if (Run(LookupOf(kRoot, "name")) != 0) continue;
    const uint64_t node = reply_.entry().node_id();
    const uint64_t size = reply_.entry().attributes().size();
    if (node == a) {
      ++seen_a;
      if (size != 1) ADD_FAILURE() << "a with the size " << size;
    } else if (node == b) {
      ++seen_b;
      if (size != 2) ADD_FAILURE() << "b with the size " << size;
    }
  }
  stop = true;
  host.join();
  EXPECT_GT(seen_a, 0);
  EXPECT_GT(seen_b, 0);
}

// Files come and go under one name, so that their inode numbers are given out again and again.
TEST_F(FileHandleTest, ConcurrentLookupsOfRecreatedFilesGiveEachFileOneNode) {
  std::atomic<bool> stop = false;
  std::thread host([&] {
    for (int i = 0; !stop; ++i) {
      unlink(share_.Path("name").c_str());
      if (i % 2 == 0) {
        share_.Write("name");
      } else {
        mkdir(share_.Path("name").c_str(), 0755);
        rmdir(share_.Path("name").c_str());
      }
    }
  });
  std::vector<std::thread> guests;
  for (int t = 0; t < 3; ++t) {
    guests.emplace_back([&] {
      auto scratch = std::make_unique<OperationScratch>();
      OperationContext context{*filesystem_, *session_, *scratch};
      const auto name = PathComponent::Parse("name");
      for (int i = 0; i < 5000; ++i) {
        const auto root = Pin(context, kRootNodeId);
        struct statx status;
        const auto inode = LookUp(context, *root, *name, status, ExpectFromLast(context));
        if (!inode.ok()) continue;
        ASSERT_EQ(status.stx_mode & S_IFMT, (*inode)->type());
        ASSERT_EQ(status.stx_ino, (*inode)->identity().inode);
        UndoLookUp(context, *inode);
      }
    });
  }
  for (std::thread& guest : guests) guest.join();
  stop = true;
  host.join();
  EXPECT_EQ(session_->inodes.size(), 0u);
  EXPECT_EQ(filesystem_->budget().used(), base_);
}

TEST(FileHandle, IsTheSameByNameAndByDescriptor) {
  const SharedDirectory share;
  share.Write("file");
  const UniqueFd directory = OpenPathTo(share.Path());
  const UniqueFd file = OpenPathTo(share.Path("file"));
  FileHandle by_name, by_descriptor;
  const auto mount = by_name.Set(directory.get(), *PathComponent::Parse("file"));
  ASSERT_TRUE(mount.ok());
  EXPECT_EQ(*mount, *by_descriptor.Set(file.get()));
  EXPECT_EQ(by_name.view(), by_descriptor.view());
  EXPECT_EQ(FileHandle(by_name.view()).view(), by_name.view());
  FileHandle other;
  ASSERT_TRUE(other.Set(directory.get()).ok());
  EXPECT_FALSE(other.view() == by_name.view());
}

TEST(FileHandle, ProcfsHasNone) {
  const UniqueFd proc = OpenPathTo("/proc");
  FileHandle handle;
  const auto result = handle.Set(proc.get());
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(MeansNoHandle(result.error()));
}

}  // namespace
}  // namespace postern
