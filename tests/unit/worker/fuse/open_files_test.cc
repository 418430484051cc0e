#include "worker/fuse/open_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <string>
#include <utility>

#include "tests/unit/open_descriptors.h"

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
  EXPECT_TRUE(files.Insert(kId, std::move(fd), kNode, {}, {}).ok());

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
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kNode, {}, {}).ok());
  EXPECT_EQ(files.Find(kId, kOtherNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, RemoveByAnotherNodeLeavesTheFile) {
  OpenFiles files;
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kNode, {}, {}).ok());
  EXPECT_EQ(files.Remove(kId, kOtherNode).errno_value(), EBADF);
  EXPECT_TRUE(files.Find(kId, kNode).ok());
}

TEST(OpenFilesTest, IdsInOneShardAreToldApart) {
  OpenFiles files;
  EXPECT_TRUE(files.Insert(OpenFileId(1), OpenNull(), kNode, {}, {}).ok());
  // One more than there are shards.
  for (uint64_t id = 2; id <= 17; ++id) {
    EXPECT_TRUE(files.Insert(OpenFileId(id), OpenNull(), kOtherNode, {}, {}).ok());
  }
  EXPECT_TRUE(files.Find(OpenFileId(1), kNode).ok());
  EXPECT_TRUE(files.Find(OpenFileId(17), kOtherNode).ok());
  EXPECT_EQ(files.Find(OpenFileId(33), kNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, GenerationIsPartOfTheId) {
  OpenFiles files;
  EXPECT_TRUE(files.Insert(OpenFileId((uint64_t{2} << 32) | 4), OpenNull(), kNode, {}, {}).ok());
  EXPECT_EQ(files.Find(OpenFileId((uint64_t{1} << 32) | 4), kNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, RemovedFileClosesAfterItsLastUser) {
  OpenFiles files;
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kNode, {}, {}).ok());
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
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kNode, {}, {}).ok());
  EXPECT_TRUE(files.Remove(kId, kNode).ok());
  EXPECT_EQ(files.Remove(kId, kNode).errno_value(), EBADF);
}

TEST(OpenFilesTest, InsertUnderAUsedIdClosesWhatStoodThere) {
  OpenFiles files;
  const std::set<std::string> before = OpenDescriptors();
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kNode, {}, {}).ok());
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kOtherNode, {}, {}).ok());
  EXPECT_EQ(files.Find(kId, kNode).errno_value(), EBADF);
  EXPECT_TRUE(files.Find(kId, kOtherNode).ok());
  EXPECT_EQ(OpenDescriptors().size(), before.size() + 1);
}

TEST(OpenFilesTest, ClearDropsAllButWhatIsInUse) {
  OpenFiles files;
  EXPECT_TRUE(files.Insert(OpenFileId(1), OpenNull(), kNode, {}, {}).ok());
  EXPECT_TRUE(files.Insert(OpenFileId(2), OpenNull(), kNode, {}, {}).ok());
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
    EXPECT_TRUE(files.Insert(OpenFileId(1), OpenNull(), kNode, {}, {}).ok());
    EXPECT_TRUE(files.Insert(OpenFileId(2), OpenNull(), kNode, {}, {}).ok());
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(OpenFilesTest, FileInMemoryIsNeverAskedNotToWait) {
  OpenFiles files;
  OpenedFacts facts;
  facts.in_memory = true;
  ASSERT_TRUE(files.Insert(kId, OpenNull(), kNode, {}, facts).ok());
  const auto file = *files.Find(kId, kNode);
  EXPECT_TRUE(file->in_memory);
  EXPECT_FALSE(file->read_nowait);
  EXPECT_FALSE(file->write_nowait);
}

// ---- limit ----

TEST(OpenFilesTest, RoomThatWasTakenIsThereForItsFileAlone) {
  OpenFiles files;
  files.set_limit(1);
  OpenTicket ticket = files.BeginOpen();
  ASSERT_TRUE(files.TakeRoom(ticket).ok());
  OpenTicket late = files.BeginOpen();
  EXPECT_EQ(files.TakeRoom(late).errno_value(), EMFILE);
  EXPECT_EQ(files.Insert(OpenFileId(78), OpenNull(), kNode, {}, {}).errno_value(), EMFILE);
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kNode, std::move(ticket), {}).ok());
  EXPECT_EQ(files.TakeRoom(late).errno_value(), EMFILE);
  EXPECT_TRUE(files.Remove(kId, kNode).ok());
  EXPECT_TRUE(files.TakeRoom(late).ok());
}

TEST(OpenFilesTest, RoomOfARequestThatOpensNothingIsGivenBack) {
  OpenFiles files;
  files.set_limit(1);
  {
    OpenTicket ticket = files.BeginOpen();
    ASSERT_TRUE(files.TakeRoom(ticket).ok());
  }
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kNode, {}, {}).ok());
}

// ---- sessions ----

TEST(OpenFilesTest, FileOpenedForAClearedSessionIsClosedAndEio) {
  OpenFiles files;
  const std::set<std::string> before = OpenDescriptors();
  OpenTicket ticket = files.BeginOpen();
  files.Clear();
  EXPECT_EQ(files.Insert(kId, OpenNull(), kNode, std::move(ticket), {}).errno_value(), EIO);
  EXPECT_EQ(files.Find(kId, kNode).errno_value(), EBADF);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(OpenFilesTest, FileOpenedForTheNextSessionIsKept) {
  OpenFiles files;
  files.Clear();
  OpenTicket ticket = files.BeginOpen();
  EXPECT_TRUE(files.Insert(kId, OpenNull(), kNode, std::move(ticket), {}).ok());
  EXPECT_TRUE(files.Find(kId, kNode).ok());
}

// ---- set-id bits ----

class SetIdBitsTest : public testing::Test {
 protected:
  bool HasBits(OpenFileId id = kId, NodeId node = kNode) {
    const auto file = files_.Find(id, node);
    EXPECT_TRUE(file.ok());
    return file.ok() && (*file)->has_set_id_bits.load();
  }
  void Open(OpenTicket ticket, bool has_set_id_bits = false) {
    EXPECT_TRUE(
        files_
            .Insert(kId, OpenNull(), kNode, std::move(ticket), {.has_set_id_bits = has_set_id_bits})
            .ok());
  }
  OpenFiles files_;
};

TEST_F(SetIdBitsTest, AreThoseThatTheFileWasOpenedWith) {
  Open(files_.BeginOpen(), false);
  EXPECT_FALSE(HasBits());
  Open(files_.BeginOpen(), true);
  EXPECT_TRUE(HasBits());
}

TEST_F(SetIdBitsTest, ChangeMarksAllFilesOfItsNodeAndNoOther) {
  Open({});
  EXPECT_TRUE(files_.Insert(OpenFileId(78), OpenNull(), kNode, {}, {}).ok());
  EXPECT_TRUE(files_.Insert(OpenFileId(79), OpenNull(), kOtherNode, {}, {}).ok());
  { const SetIdChange change = files_.BeginSetIdChange(kNode); }
  EXPECT_TRUE(HasBits());
  EXPECT_TRUE(HasBits(OpenFileId(78)));
  EXPECT_FALSE(HasBits(OpenFileId(79), kOtherNode));
}

TEST_F(SetIdBitsTest, OpenAfterAChangeKnowsByItself) {
  { const SetIdChange change = files_.BeginSetIdChange(kNode); }
  Open(files_.BeginOpen());
  EXPECT_FALSE(HasBits());
}

TEST_F(SetIdBitsTest, OpenThatBeganDuringAChangeIsMarked) {
  SetIdChange change = files_.BeginSetIdChange(kNode);
  OpenTicket ticket = files_.BeginOpen();
  change = SetIdChange();
  Open(std::move(ticket));
  EXPECT_TRUE(HasBits());
}

TEST_F(SetIdBitsTest, OpenThatEndedDuringAChangeIsMarked) {
  OpenTicket ticket = files_.BeginOpen();
  const SetIdChange change = files_.BeginSetIdChange(kNode);
  Open(std::move(ticket));
  EXPECT_TRUE(HasBits());
}

TEST_F(SetIdBitsTest, OpenAroundAChangeIsMarked) {
  OpenTicket ticket = files_.BeginOpen();
  { const SetIdChange change = files_.BeginSetIdChange(kNode); }
  Open(std::move(ticket));
  EXPECT_TRUE(HasBits());
}

TEST_F(SetIdBitsTest, MovedChangeEndsOnce) {
  {
    SetIdChange change = files_.BeginSetIdChange(kNode);
    SetIdChange moved = std::move(change);
    change = std::move(moved);
  }
  Open(files_.BeginOpen());
  EXPECT_FALSE(HasBits());
}

}  // namespace
}  // namespace postern
