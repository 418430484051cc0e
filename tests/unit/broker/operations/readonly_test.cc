// A share with --readonly.
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

class ReadonlyTest : public FilesystemTest {
 protected:
  void SetUp() override {
    FilesystemTest::SetUp();
    share_.Write("file", "text");
    ASSERT_EQ(mkdir(share_.Path("directory").c_str(), 0755), 0);
    FilesystemOptions options;
    options.readonly = true;
    options.xattr = true;
    StartFilesystem(options);
    file_ = Lookup("file");
    before_file_ = share_.Stat("file");
    before_root_ = share_.Stat("");
  }
  void TearDown() override {
    // Whatever was refused has touched nothing.
    EXPECT_EQ(share_.Read("file"), "text");
    EXPECT_EQ(share_.Stat("file").st_ctim.tv_nsec, before_file_.st_ctim.tv_nsec);
    EXPECT_EQ(share_.Stat("file").st_nlink, before_file_.st_nlink);
    EXPECT_EQ(share_.Stat("").st_mtim.tv_nsec, before_root_.st_mtim.tv_nsec);
    FilesystemTest::TearDown();
  }

  uint64_t file_ = 0;
  struct stat before_file_ {};
  struct stat before_root_ {};
};

TEST_F(ReadonlyTest, MakingIsRefused) {
  EXPECT_EQ(Run(requests::MakeDirectory("new")), EROFS);
  EXPECT_EQ(Run(requests::MakeNode("new", S_IFREG | 0644)), EROFS);
  EXPECT_EQ(Run(requests::Symlink("new", "file")), EROFS);
  EXPECT_EQ(Run(requests::Link(file_, "new")), EROFS);
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR)), EROFS);
  EXPECT_FALSE(share_.Exists("new"));
}

TEST_F(ReadonlyTest, RemovingAndRenamingAreRefused) {
  rpc::Request request;
  request.mutable_unlink()->set_parent(kRoot);
  request.mutable_unlink()->set_name("file");
  EXPECT_EQ(Run(request), EROFS);
  request.mutable_remove_directory()->set_parent(kRoot);
  request.mutable_remove_directory()->set_name("directory");
  EXPECT_EQ(Run(request), EROFS);
  request.mutable_rename()->set_old_parent(kRoot);
  request.mutable_rename()->set_old_name("file");
  request.mutable_rename()->set_new_parent(kRoot);
  request.mutable_rename()->set_new_name("new");
  EXPECT_EQ(Run(request), EROFS);
  EXPECT_TRUE(share_.Exists("directory"));
}

TEST_F(ReadonlyTest, AttributesAreNotChanged) {
  rpc::Request request = requests::SetAttributes(file_);
  EXPECT_EQ(Run(request), EROFS);
  request.mutable_set_attributes()->set_mode(0);
  EXPECT_EQ(Run(request), EROFS);
  EXPECT_EQ(Run(requests::SetSize(file_, 0)), EROFS);
  rpc::Request xattr;
  xattr.mutable_set_extended_attribute()->set_node_id(file_);
  xattr.mutable_set_extended_attribute()->set_name("user.a");
  EXPECT_EQ(Run(xattr), EROFS);
  xattr.mutable_remove_extended_attribute()->set_node_id(file_);
  xattr.mutable_remove_extended_attribute()->set_name("user.a");
  EXPECT_EQ(Run(xattr), EROFS);
}

TEST_F(ReadonlyTest, DataIsNotChanged) {
  EXPECT_EQ(Run(requests::WriteFile(file_, 1, 0, "x")), EROFS);
  rpc::Request request;
  request.mutable_allocate()->set_node_id(file_);
  EXPECT_EQ(Run(request), EROFS);
  request.mutable_copy_range()->set_from_node_id(file_);
  EXPECT_EQ(Run(request), EROFS);
}

TEST_F(ReadonlyTest, RefusalComesBeforeAnyOtherError) {
  EXPECT_EQ(Run(requests::SetAttributes(999)), EROFS);
  EXPECT_EQ(Run(requests::MakeDirectory("..")), EROFS);
}

TEST_F(ReadonlyTest, ReadingIsAsUsual) {
  EXPECT_EQ(Run(requests::GetAttributes(file_)), 0);
  EXPECT_EQ(Run(requests::Open(file_, O_RDONLY)), 0);
  EXPECT_EQ(fcntl(context_->reply_file->fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(Run(requests::Access(file_, R_OK)), 0);
  rpc::Request request;
  request.mutable_list_extended_attributes()->set_node_id(file_);
  EXPECT_EQ(Run(request), 0);
  request.mutable_open_directory()->set_node_id(kRoot);
  EXPECT_EQ(Run(request), 0);
  request.mutable_sync_filesystem()->set_node_id(kRoot);
  EXPECT_EQ(Run(request), 0);
}

TEST_F(ReadonlyTest, OpeningForMoreIsRefused) {
  EXPECT_EQ(Run(requests::Open(file_, O_RDWR)), EROFS);
  EXPECT_EQ(Run(requests::Open(file_, O_WRONLY)), EROFS);
  EXPECT_EQ(Run(requests::Open(file_, O_RDONLY | O_EXCL)), EROFS);
  EXPECT_EQ(Run(requests::Open(file_, O_RDONLY | O_TRUNC)), EINVAL);
}

TEST_F(ReadonlyTest, OpeningADirectoryFollowsTheSameRules) {
  rpc::Request request;
  request.mutable_open_directory()->set_node_id(kRoot);
  request.mutable_open_directory()->set_flags(O_WRONLY);
  EXPECT_EQ(Run(request), EROFS);
  request.mutable_open_directory()->set_flags(O_TMPFILE);
  EXPECT_EQ(Run(request), EINVAL);
  request.mutable_open_directory()->set_flags(O_DIRECTORY);
  EXPECT_EQ(Run(request), 0);
}

TEST_F(ReadonlyTest, CreateOpensWhatIsThereAndMakesNothing) {
  EXPECT_EQ(Run(requests::Create("new", O_RDONLY)), EROFS);
  EXPECT_EQ(Run(requests::Create("new", O_RDONLY | O_TRUNC)), EROFS);
  EXPECT_FALSE(share_.Exists("new"));
  EXPECT_EQ(Run(requests::Create("file", O_RDONLY)), 0);
  EXPECT_EQ(reply_.created().entry().node_id(), file_);
  EXPECT_EQ(fcntl(context_->reply_file->fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(Run(requests::Create("file", O_RDWR)), EROFS);
  EXPECT_EQ(Run(requests::Create("file", O_RDONLY | O_EXCL)), EROFS);
  EXPECT_EQ(Run(requests::Create("file", O_RDONLY | O_TRUNC)), EINVAL);
}

TEST_F(ReadonlyTest, AccessForWritingIsRefusedToRootAsWell) {
  EXPECT_EQ(Run(requests::Access(file_, W_OK)), EROFS);
  EXPECT_EQ(Run(requests::Access(file_, R_OK | W_OK, {1234, 2345})), EROFS);
}

}  // namespace
}  // namespace postern
