#include "worker/open_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <string>

#include "tests/unit/worker/open_descriptors.h"

namespace postern {
namespace {

constexpr NodeId kNode{5};
constexpr NodeId kOtherNode{6};
constexpr OpenFileId kId{77};

UniqueFd OpenNull() { return UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC)); }
bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(OpenFilesTest, FindsWhatWasInserted) {
  OpenFiles files;
  UniqueFd fd = OpenNull();
  const int number = fd.get();
  files.Insert(kId, std::move(fd), kNode);

  const auto found = files.Find(kId, kNode);

  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)->fd.get(), number);
  EXPECT_EQ((*found)->node_id, kNode);
}

TEST(OpenFilesTest, UnknownIdIsEbadf) {
  OpenFiles files;
  EXPECT_EQ(files.Find(kId, kNode).errno_value(), EBADF);
  EXPECT_EQ(files.Remove(kId, kNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, IdOfAnotherNodeIsEbadf) {
  OpenFiles files;
  files.Insert(kId, OpenNull(), kNode);
  EXPECT_EQ(files.Find(kId, kOtherNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, RemoveByAnotherNodeLeavesTheFile) {
  OpenFiles files;
  files.Insert(kId, OpenNull(), kNode);
  EXPECT_EQ(files.Remove(kId, kOtherNode).errno_value(), EBADF);
  EXPECT_TRUE(files.Find(kId, kNode).ok());
}

TEST(OpenFilesTest, IdsInOneShardAreToldApart) {
  OpenFiles files;
  files.Insert(OpenFileId(1), OpenNull(), kNode);
  files.Insert(OpenFileId(17), OpenNull(), kOtherNode);
  EXPECT_TRUE(files.Find(OpenFileId(1), kNode).ok());
  EXPECT_TRUE(files.Find(OpenFileId(17), kOtherNode).ok());
  EXPECT_EQ(files.Find(OpenFileId(33), kNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, GenerationIsPartOfTheId) {
  OpenFiles files;
  files.Insert(OpenFileId((uint64_t{2} << 32) | 4), OpenNull(), kNode);
  EXPECT_EQ(files.Find(OpenFileId((uint64_t{1} << 32) | 4), kNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, RemovedFileClosesAfterItsLastUser) {
  OpenFiles files;
  files.Insert(kId, OpenNull(), kNode);
  auto in_use = *files.Find(kId, kNode);
  const int number = in_use->fd.get();

  ASSERT_TRUE(files.Remove(kId, kNode).ok());

  EXPECT_EQ(files.Find(kId, kNode).errno_value(), EBADF);
  EXPECT_TRUE(IsOpen(number));
  in_use.reset();
  EXPECT_FALSE(IsOpen(number));
}

TEST(OpenFilesTest, RemovingTwiceIsEbadf) {
  OpenFiles files;
  files.Insert(kId, OpenNull(), kNode);
  EXPECT_TRUE(files.Remove(kId, kNode).ok());
  EXPECT_EQ(files.Remove(kId, kNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, InsertUnderAUsedIdClosesWhatStoodThere) {
  OpenFiles files;
  const std::set<std::string> before = OpenDescriptors();
  files.Insert(kId, OpenNull(), kNode);
  files.Insert(kId, OpenNull(), kOtherNode);
  EXPECT_EQ(files.Find(kId, kNode).errno_value(), EBADF);
  EXPECT_TRUE(files.Find(kId, kOtherNode).ok());
  EXPECT_EQ(OpenDescriptors().size(), before.size() + 1);
}

TEST(OpenFilesTest, ClearDropsAllButWhatIsInUse) {
  OpenFiles files;
  files.Insert(OpenFileId(1), OpenNull(), kNode);
  files.Insert(OpenFileId(2), OpenNull(), kNode);
  const int unused = (*files.Find(OpenFileId(1), kNode))->fd.get();
  auto in_use = *files.Find(OpenFileId(2), kNode);

  files.Clear();

  EXPECT_EQ(files.Find(OpenFileId(1), kNode).errno_value(), EBADF);
  EXPECT_EQ(files.Find(OpenFileId(2), kNode).errno_value(), EBADF);
  EXPECT_FALSE(IsOpen(unused));
  EXPECT_TRUE(IsOpen(in_use->fd.get()));
}

TEST(OpenFilesTest, NothingStaysOpenAfterDestruction) {
  const std::set<std::string> before = OpenDescriptors();
  {
    OpenFiles files;
    files.Insert(OpenFileId(1), OpenNull(), kNode);
    files.Insert(OpenFileId(2), OpenNull(), kNode);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace postern
