// Ids that the broker hasn't given out for what they are used for.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "tests/hostile/worker/hostile_worker_fixture.h"

namespace postern {
namespace {

namespace fs = std::filesystem;

// Every operation on a node, and what it says to an id that is none.
std::vector<rpc::Request> OnNode(uint64_t node, uint64_t file) {
  std::vector<rpc::Request> all = {
      requests::Lookup(node, "x"),
      requests::GetAttributes(node),
      requests::SetSize(node, 0),
      requests::SetOwner(node, 0, 0),
      requests::Symlink("x", "target", {}, node),
      requests::MakeNode("x", S_IFREG | 0600, {}, node),
      requests::MakeDirectory("x", 0700, {}, node),
      requests::Unlink(node, "file"),
      requests::RemoveDirectory(node, "directory"),
      requests::Rename(node, "file", 1, "x"),
      requests::Rename(1, "file", node, "x"),
      requests::Link(node, "x"),
      requests::Open(node, O_RDWR),
      requests::Create("x", O_RDWR, 0600, {}, node),
      requests::CreateTemporary(O_RDWR, 0600, {}, node),
      requests::OpenDirectory(node),
      requests::ReadDirectory(node, file, 0, 4096),
      requests::Access(node, R_OK),
      requests::WriteFile(node, file, 0, "x"),
      requests::SetXattr(node, "user.x", "y"),
  };
  rpc::Request request;
  request.mutable_read_link()->set_node_id(node);
  all.push_back(request);
  request.mutable_release()->set_node_id(node);
  request.mutable_release()->set_open_file_id(file);
  all.push_back(request);
  request.mutable_release_directory()->set_node_id(node);
  request.mutable_release_directory()->set_open_file_id(file);
  all.push_back(request);
  request.mutable_sync_directory()->set_node_id(node);
  request.mutable_sync_directory()->set_open_file_id(file);
  all.push_back(request);
  request.mutable_stat_filesystem()->set_node_id(node);
  all.push_back(request);
  request.mutable_sync_filesystem()->set_node_id(node);
  all.push_back(request);
  request.mutable_allocate()->set_node_id(node);
  request.mutable_allocate()->set_open_file_id(file);
  request.mutable_allocate()->set_length(1);
  all.push_back(request);
  request.mutable_copy_range()->set_from_node_id(node);
  request.mutable_copy_range()->set_from_open_file_id(file);
  request.mutable_copy_range()->set_to_node_id(node);
  request.mutable_copy_range()->set_to_open_file_id(file);
  all.push_back(request);
  request.mutable_get_extended_attribute()->set_node_id(node);
  request.mutable_get_extended_attribute()->set_name("user.x");
  all.push_back(request);
  request.mutable_list_extended_attributes()->set_node_id(node);
  all.push_back(request);
  request.mutable_remove_extended_attribute()->set_node_id(node);
  request.mutable_remove_extended_attribute()->set_name("user.x");
  all.push_back(request);
  return all;
}

class ForeignNodeTest : public HostileWorkerTest, public testing::WithParamInterface<const char*> {
 protected:
  // The first after `from` in these steps that isn't a node: where nodes lie is up to a hash.
  static uint64_t FirstUnknown(const Known& known, uint64_t from, uint64_t step) {
    const std::set<uint64_t> nodes = {known.file, known.directory, known.link, known.fifo};
    do from += step;
    while (nodes.contains(from));
    return from;
  }

  // The id that the parameter names.
  uint64_t Id(const Known& known) {
    const std::string kind = GetParam();
    if (kind == "Zero") return 0;
    if (kind == "Two") return 2;
    if (kind == "AllBits") return ~uint64_t{0};
    if (kind == "RootOfAnotherGeneration") return uint64_t{1} << 32 | 1;
    if (kind == "NextGeneration") return known.file + (uint64_t{1} << 32);
    if (kind == "LastGeneration") return known.file | uint64_t{0xffffffff} << 32;
    if (kind == "NeighbouringSlot") return FirstUnknown(known, known.file, 64);
    if (kind == "OtherShard") return FirstUnknown(known, known.file & ~uint64_t{63}, 1);
    if (kind == "OpenFile") return known.open_file;
    if (kind == "Forgotten") {
      broker().Ask(requests::Forget(known.file, 1));
      return known.file;
    }
    // Of the session before this one.
    EXPECT_EQ(kind, "Stale");
    EXPECT_EQ(Ask(requests::Initialize()).error(), 0);
    return known.file;
  }
};
INSTANTIATE_TEST_SUITE_P(, ForeignNodeTest,
                         testing::Values("Zero", "Two", "AllBits", "RootOfAnotherGeneration",
                                         "NextGeneration", "LastGeneration", "NeighbouringSlot",
                                         "OtherShard", "OpenFile", "Forgotten", "Stale"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(ForeignNodeTest, IsRefusedByEveryOperationAndNothingChanges) {
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--xattr"}));
  const Known known = LearnIds();
  const uint64_t id = Id(known);
  // An open file outlives its node (ForgetTest): here nothing is said of one.
  const bool forgotten = GetParam() == std::string("Forgotten");
  const auto requests = OnNode(id, forgotten ? 0 : known.open_file);
  ASSERT_EQ(requests.size(), 31u);
  const auto answers = broker().Ask(requests);
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].error(), EBADF) << requests[i].operation_case();
  }
  EXPECT_EQ(fs::file_size(Share("file")), 7u);
  EXPECT_TRUE(fs::exists(Share("directory")));
  EXPECT_FALSE(fs::exists(Share("x")));
  ExpectServes();
}

class OpenFileIdTest : public HostileWorkerTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(HostileWorkerTest::SetUp());
    if (IsSkipped()) return;
    ASSERT_NO_FATAL_FAILURE(StartBroker());
    known_ = LearnIds();
  }
  static rpc::Request Release(uint64_t node, uint64_t file) {
    rpc::Request request;
    request.mutable_release()->set_node_id(node);
    request.mutable_release()->set_open_file_id(file);
    return request;
  }
  static rpc::Request ReleaseDirectory(uint64_t node, uint64_t file) {
    rpc::Request request;
    request.mutable_release_directory()->set_node_id(node);
    request.mutable_release_directory()->set_open_file_id(file);
    return request;
  }
  // Writing, reading a directory and closing by this id of that node.
  void ExpectUseless(uint64_t node, uint64_t file) {
    EXPECT_EQ(Ask(requests::WriteFile(node, file, 0, "x")).error(), EBADF);
    EXPECT_EQ(Ask(requests::ReadDirectory(node, file, 0, 4096)).error(), EBADF);
    EXPECT_EQ(Ask(Release(node, file)).error(), EBADF);
    EXPECT_EQ(Ask(ReleaseDirectory(node, file)).error(), EBADF);
  }
  Known known_;
};

TEST_F(OpenFileIdTest, ZeroIsNone) { ExpectUseless(known_.file, 0); }
TEST_F(OpenFileIdTest, AllBitsAreNone) { ExpectUseless(known_.file, ~uint64_t{0}); }
TEST_F(OpenFileIdTest, NodeIdIsNone) { ExpectUseless(known_.file, known_.file); }
TEST_F(OpenFileIdTest, NextGenerationIsNone) {
  ExpectUseless(known_.file, known_.open_file + (uint64_t{1} << 32));
}
TEST_F(OpenFileIdTest, NeighbouringSlotIsNone) {
  ExpectUseless(known_.file, known_.open_file + 16);
}
TEST_F(OpenFileIdTest, FileOfAnotherNodeIsRefused) {
  ExpectUseless(known_.directory, known_.open_file);
  ExpectUseless(known_.file, known_.open_directory);
  ExpectUseless(kRoot, known_.open_file);
}
TEST_F(OpenFileIdTest, ReleasedOneIsNone) {
  ASSERT_EQ(Ask(Release(known_.file, known_.open_file)).error(), 0);
  ExpectUseless(known_.file, known_.open_file);
}
TEST_F(OpenFileIdTest, OneOfAnEarlierSessionIsNone) {
  ASSERT_EQ(Ask(requests::Initialize()).error(), 0);
  // The same node again, maybe by the same id.
  ExpectUseless(NodeOf("file"), known_.open_file);
}

TEST_F(OpenFileIdTest, FileHandleIsNoDirectoryHandle) {
  EXPECT_EQ(Ask(requests::ReadDirectory(known_.file, known_.open_file, 0, 4096)).error(), EBADF);
  EXPECT_EQ(Ask(ReleaseDirectory(known_.file, known_.open_file)).error(), EBADF);
  rpc::Request sync;
  sync.mutable_sync_directory()->set_node_id(known_.file);
  sync.mutable_sync_directory()->set_open_file_id(known_.open_file);
  EXPECT_EQ(Ask(sync).error(), EBADF);
}

TEST_F(OpenFileIdTest, DirectoryHandleIsNoFileHandle) {
  EXPECT_EQ(Ask(requests::WriteFile(known_.directory, known_.open_directory, 0, "x")).error(),
            EBADF);
  EXPECT_EQ(Ask(Release(known_.directory, known_.open_directory)).error(), EBADF);
  rpc::Request allocate;
  allocate.mutable_allocate()->set_node_id(known_.directory);
  allocate.mutable_allocate()->set_open_file_id(known_.open_directory);
  allocate.mutable_allocate()->set_length(1);
  EXPECT_EQ(Ask(allocate).error(), EBADF);
}

// A directory's descriptor would be a way to name things: no message brings one.
TEST_F(OpenFileIdTest, DirectoryIsNeverOpenedAsAFile) {
  EXPECT_EQ(Ask(requests::Open(known_.directory, O_RDONLY)).error(), EISDIR);
  EXPECT_EQ(Ask(requests::Open(kRoot, O_RDONLY | O_DIRECTORY)).error(), EISDIR);
  EXPECT_EQ(Ask(requests::Open(kRoot, O_PATH | O_DIRECTORY)).error(), EISDIR);
  EXPECT_EQ(Ask(requests::Create("directory", O_RDONLY | O_DIRECTORY)).error(), EISDIR);
  const auto opened = Ask(requests::OpenDirectory(kRoot));
  EXPECT_EQ(opened.error(), 0);
  EXPECT_FALSE(opened.fd);
}

// Opening the host's end of one would block, or reach a driver.
TEST_F(OpenFileIdTest, SpecialFilesAreNeverOpened) {
  ASSERT_EQ(mknod(Share("null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  for (const uint64_t node : {known_.fifo, NodeOf("null")}) {
    EXPECT_EQ(Ask(requests::Open(node, O_RDWR)).error(), EBADF);
    EXPECT_EQ(Ask(requests::Open(node, O_RDONLY | O_NONBLOCK)).error(), EBADF);
    EXPECT_EQ(Ask(requests::SetSize(node, 0)).error(), EBADF);
  }
  EXPECT_EQ(Ask(requests::Create("null", O_RDWR)).error(), EBADF);
  EXPECT_EQ(Ask(requests::Create("fifo", O_RDONLY)).error(), EBADF);
}

TEST_F(OpenFileIdTest, FileIsNoDirectory) {
  EXPECT_EQ(Ask(requests::Lookup(known_.file, "x")).error(), ENOTDIR);
  EXPECT_EQ(Ask(requests::OpenDirectory(known_.file)).error(), ENOTDIR);
  EXPECT_EQ(Ask(requests::MakeDirectory("x", 0700, {}, known_.file)).error(), ENOTDIR);
  EXPECT_EQ(Ask(requests::CreateTemporary(O_RDWR, 0600, {}, known_.file)).error(), ENOTDIR);
  EXPECT_EQ(Ask(requests::Rename(kRoot, "file", known_.file, "x")).error(), ENOTDIR);
  EXPECT_EQ(Ask(requests::Unlink(kRoot, "directory")).error(), EISDIR);
  EXPECT_EQ(Ask(requests::RemoveDirectory(kRoot, "file")).error(), ENOTDIR);
}

class ForgetTest : public OpenFileIdTest {};

TEST_F(ForgetTest, MoreThanThereIsForgetsOnce) {
  for (int i = 0; i < 3; ++i) broker().Ask(requests::Forget(known_.file, ~uint64_t{0}));
  EXPECT_EQ(Ask(requests::GetAttributes(known_.file)).error(), EBADF);
  const uint64_t again = NodeOf("file");
  EXPECT_EQ(Ask(requests::GetAttributes(again)).error(), 0);
  EXPECT_NE(again, known_.file);
}

TEST_F(ForgetTest, ZeroForgetsNothing) {
  broker().Ask(requests::Forget(known_.file, 0));
  EXPECT_EQ(Ask(requests::GetAttributes(known_.file)).error(), 0);
}

TEST_F(ForgetTest, RootStays) {
  for (int i = 0; i < 100; ++i) broker().Ask(requests::Forget(kRoot, ~uint64_t{0}));
  ExpectServes();
}

TEST_F(ForgetTest, UnknownIdsAreNothing) {
  rpc::Request request;
  for (uint64_t i = 0; i < 4096; ++i) {
    rpc::ForgetRequest::Item& item = *request.mutable_forget()->add_items();
    item.set_node_id(i * 0x9e3779b97f4a7c15);
    item.set_count(~uint64_t{0});
  }
  broker().Ask(request);
  EXPECT_EQ(Ask(requests::GetAttributes(known_.directory)).error(), 0);
}

// What is open stays open: its own id still leads to it, and to nothing else.
TEST_F(ForgetTest, OpenFileOutlivesItsForgottenNode) {
  broker().Ask(requests::Forget(known_.file, 1));
  EXPECT_EQ(Ask(requests::WriteFile(known_.file, known_.open_file, 0, "C")).error(), 0);
  EXPECT_EQ(Ask(requests::SetSize(known_.file, 0)).error(), EBADF);
  EXPECT_EQ(Ask(Release(known_.file, known_.open_file)).error(), 0);
  EXPECT_EQ(fs::file_size(Share("file")), 7u);
}

class RootTest : public OpenFileIdTest {};

TEST_F(RootTest, CantBeRemovedRenamedOrReplaced) {
  EXPECT_EQ(Ask(requests::RemoveDirectory(kRoot, ".")).error(), EINVAL);
  EXPECT_EQ(Ask(requests::Rename(kRoot, ".", kRoot, "x")).error(), EINVAL);
  EXPECT_EQ(Ask(requests::Rename(kRoot, "file", kRoot, "..")).error(), EINVAL);
  EXPECT_EQ(Ask(requests::Link(kRoot, "x")).error(), EPERM);
  EXPECT_EQ(Ask(requests::Rename(kRoot, "directory", known_.directory, "x")).error(), EINVAL);
}

TEST_F(RootTest, RemovedOnTheHostIsAnEmptyDirectory) {
  fs::rename(Share(), Path("elsewhere"));
  fs::remove_all(Path("elsewhere"));
  // Nobody takes what comes to stand in its place for it.
  fs::create_directory(Share());
  fs::create_directory(Share("planted"));
  EXPECT_EQ(Ask(requests::Lookup(kRoot, "planted")).error(), ENOENT);
  EXPECT_EQ(Ask(requests::Create("x", O_RDWR)).error(), ENOENT);
  EXPECT_EQ(Ask(requests::MakeDirectory("x")).error(), ENOENT);
  EXPECT_FALSE(fs::exists(Share("x")));
  EXPECT_EQ(Ask(requests::GetAttributes(kRoot)).error(), 0);
}

}  // namespace
}  // namespace postern
