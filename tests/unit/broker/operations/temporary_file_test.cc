// CREATE of a file without a name (O_TMPFILE).
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

using TemporaryFileTest = FilesystemTest;

TEST_F(TemporaryFileTest, IsOpenHasAnEntryAndNoName) {
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR | O_TRUNC, 0640)), 0);
  EXPECT_EQ(reply_.created().entry().attributes().mode(), S_IFREG | 0640u);
  EXPECT_EQ(reply_.created().entry().attributes().nlink(), 0u);
  EXPECT_EQ(pwrite(context_->reply_file->fd(), "text", 4, 0), 4);
  EXPECT_EQ(context_->reply_file->flags(), static_cast<uint32_t>(O_RDWR));
  EXPECT_TRUE(std::filesystem::is_empty(share_.Path()));
  const uint64_t node = reply_.created().entry().node_id();
  EXPECT_EQ(Count(node), 1u);
  EXPECT_EQ(Run(requests::GetAttributes(node)), 0);
  EXPECT_EQ(reply_.attributes().size(), 4u);
}

TEST_F(TemporaryFileTest, LinkGivesItAName) {
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR)), 0);
  EXPECT_EQ(pwrite(context_->reply_file->fd(), "text", 4, 0), 4);
  const uint64_t node = reply_.created().entry().node_id();
  EXPECT_EQ(Run(requests::Link(node, "named")), 0);
  EXPECT_EQ(reply_.entry().node_id(), node);
  EXPECT_EQ(reply_.entry().attributes().nlink(), 1u);
  EXPECT_EQ(share_.Read("named"), "text");
}

TEST_F(TemporaryFileTest, ExclusiveOneNeverGetsAName) {
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR | O_EXCL)), 0);
  EXPECT_EQ(Run(requests::Link(reply_.created().entry().node_id(), "named")), ENOENT);
  EXPECT_FALSE(share_.Exists("named"));
}

TEST_F(TemporaryFileTest, BelongsToTheRequestsUser) {
  POSTERN_SKIP_UNLESS_ROOT();
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR, 0644, {1234, 2345})), 0);
  EXPECT_EQ(reply_.created().entry().attributes().uid(), 1234u);
  EXPECT_EQ(reply_.created().entry().attributes().gid(), 2345u);
}

TEST_F(TemporaryFileTest, OfSetGidDirectoryHasItsGroup) {
  POSTERN_SKIP_UNLESS_ROOT();
  ASSERT_EQ(mkdir(share_.Path("directory").c_str(), 0777), 0);
  ASSERT_EQ(chown(share_.Path("directory").c_str(), 0, 2345), 0);
  ASSERT_EQ(chmod(share_.Path("directory").c_str(), 02777), 0);
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR, 0644, {}, Lookup("directory"))), 0);
  EXPECT_EQ(reply_.created().entry().attributes().gid(), 2345u);
}

TEST_F(TemporaryFileTest, ForReadingOnlyIsInvalidAsLocally) {
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDONLY)), EINVAL);
}

TEST_F(TemporaryFileTest, InWhatIsNoDirectoryIsRefused) {
  share_.Write("file");
  ASSERT_EQ(symlink(".", share_.Path("link").c_str()), 0);
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR, 0644, {}, Lookup("file"))), ENOTDIR);
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR, 0644, {}, Lookup("link"))), ENOTDIR);
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR, 0644, {}, 999)), EBADF);
}

TEST_F(TemporaryFileTest, BeyondTheBudgetIsEnfile) {
  StartFilesystem(1);  // It takes two.
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR)), ENFILE);
  EXPECT_EQ(filesystem_->budget().used(), 0u);
}

TEST_F(TemporaryFileTest, GoesWithItsReleaseAndForget) {
  const size_t used = filesystem_->budget().used();
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR)), 0);
  rpc::Request release;
  release.mutable_release()->set_node_id(reply_.created().entry().node_id());
  release.mutable_release()->set_open_file_id(reply_.created().opened().open_file_id());
  rpc::Request forget;
  forget.mutable_forget()->add_items()->set_node_id(reply_.created().entry().node_id());
  forget.mutable_forget()->mutable_items(0)->set_count(1);
  EXPECT_EQ(Run(release), 0);
  EXPECT_EQ(Run(forget), 0);
  EXPECT_EQ(filesystem_->budget().used(), used);
}

}  // namespace
}  // namespace postern
