// Translated ids in every operation that names one.
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

using config::IdRule;

// The guest's ids 0 to 999 are the host's 100000 and up, in both directions; the guest's 5000 is
// forbidden, its 6000 to 6009 are the host's 77.
class IdTranslationTest : public FilesystemTest {
 protected:
  void SetUp() override {
    FilesystemTest::SetUp();
    POSTERN_SKIP_UNLESS_ROOT();
    ASSERT_EQ(chmod(share_.Path().c_str(), 0777), 0);
    config::IdTranslation translation;
    Add(*translation.mutable_to_host(), IdRule::KIND_SHIFT, 0, 1000, 100000);
    Add(*translation.mutable_to_host(), IdRule::KIND_FORBID, 5000, 1, 0);
    Add(*translation.mutable_to_host(), IdRule::KIND_SQUASH, 6000, 10, 77);
    Add(*translation.mutable_to_guest(), IdRule::KIND_SHIFT, 100000, 1000, 0);
    FilesystemOptions options;
    options.ids = *IdMap::Make(translation, translation);
    StartFilesystem(options);
  }
  static void Add(google::protobuf::RepeatedPtrField<IdRule>& rules, IdRule::Kind kind,
                  uint32_t first, uint32_t count, uint32_t target) {
    IdRule& rule = *rules.Add();
    rule.set_kind(kind);
    rule.set_first(first);
    rule.set_count(count);
    rule.set_target(target);
  }
  void ExpectOwner(const std::string& name, uint32_t uid, uint32_t gid) {
    EXPECT_EQ(share_.Stat(name).st_uid, uid);
    EXPECT_EQ(share_.Stat(name).st_gid, gid);
  }
};

TEST_F(IdTranslationTest, NewObjectsBelongToTheHostsIdsAndShowTheGuests) {
  EXPECT_EQ(Run(requests::MakeDirectory("directory", 0755, {7, 8})), 0);
  EXPECT_EQ(reply_.entry().attributes().uid(), 7u);
  EXPECT_EQ(reply_.entry().attributes().gid(), 8u);
  ExpectOwner("directory", 100007, 100008);
  EXPECT_EQ(Run(requests::Create("file", O_RDWR, 0644, {0, 0})), 0);
  EXPECT_EQ(reply_.created().entry().attributes().uid(), 0u);
  ExpectOwner("file", 100000, 100000);
  EXPECT_EQ(Run(requests::Symlink("link", "x", {1000, 1001})), 0);
  ExpectOwner("link", 1000, 1001);
  EXPECT_EQ(Run(requests::MakeNode("fifo", S_IFIFO | 0644, {6003, 6009})), 0);
  ExpectOwner("fifo", 77, 77);
  EXPECT_EQ(Run(requests::CreateTemporary(O_RDWR, 0644, {9, 9})), 0);
  EXPECT_EQ(reply_.created().entry().attributes().uid(), 9u);
}

TEST_F(IdTranslationTest, SupplementaryGroupsAreTheHosts) {
  // Who isn't in the group of a set-group-ID directory doesn't keep the bit on what it makes there.
  ASSERT_EQ(mkdir(share_.Path("directory").c_str(), 0770), 0);
  ASSERT_EQ(chown(share_.Path("directory").c_str(), 0, 100050), 0);
  ASSERT_EQ(chmod(share_.Path("directory").c_str(), 02770), 0);
  const uint64_t directory = Lookup("directory");
  EXPECT_EQ(Run(requests::Create("without", O_RDWR, 02775, {7, 8}, directory)), 0);
  EXPECT_EQ(share_.Stat("directory/without").st_mode & S_ISGID, 0u);
  EXPECT_EQ(Run(requests::Create("with", O_RDWR, 02775, {7, 8, {50}}, directory)), 0);
  EXPECT_EQ(share_.Stat("directory/with").st_mode & S_ISGID, mode_t{S_ISGID});
}

TEST_F(IdTranslationTest, ForbiddenIdIsEioAndMakesNothing) {
  EXPECT_EQ(Run(requests::MakeDirectory("x", 0755, {5000, 0})), EIO);
  EXPECT_EQ(Run(requests::MakeDirectory("x", 0755, {0, 5000})), EIO);
  EXPECT_EQ(Run(requests::MakeDirectory("x", 0755, {0, 0, {5000}})), EIO);
  EXPECT_EQ(Run(requests::Create("x", O_RDWR, 0644, {5000, 0})), EIO);
  EXPECT_FALSE(share_.Exists("x"));
}

TEST_F(IdTranslationTest, OwnerIsSetToTheHostsAndAnsweredAsTheGuests) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  EXPECT_EQ(reply_.entry().attributes().uid(), 0u) << "the host's root has no rule of its own";
  EXPECT_EQ(Run(requests::SetOwner(node, 3, 4)), 0);
  ExpectOwner("file", 100003, 100004);
  EXPECT_EQ(reply_.attributes().uid(), 3u);
  EXPECT_EQ(reply_.attributes().gid(), 4u);
  EXPECT_EQ(Run(requests::SetOwner(node, 5000, 4)), EIO);
  EXPECT_EQ(Run(requests::SetOwner(node, 3, 5000)), EIO);
  ExpectOwner("file", 100003, 100004);
}

TEST_F(IdTranslationTest, ListingsShowTheGuestsIds) {
  share_.Write("file");
  ASSERT_EQ(chown(share_.Path("file").c_str(), 100021, 100022), 0);
  ASSERT_EQ(Run(requests::OpenDirectory(kRoot)), 0);
  const uint64_t directory = reply_.opened().open_file_id();
  ASSERT_EQ(Run(requests::ReadDirectory(kRoot, directory, 0, 4096, /*with_entries=*/true)), 0);
  bool found = false;
  for (const auto& item : reply_.listing().items()) {
    if (item.name() != "file") continue;
    found = true;
    EXPECT_EQ(item.entry().attributes().uid(), 21u);
    EXPECT_EQ(item.entry().attributes().gid(), 22u);
  }
  EXPECT_TRUE(found);
}

TEST_F(IdTranslationTest, AccessIsThatOfTheHostsIds) {
  share_.Write("file");
  ASSERT_EQ(chown(share_.Path("file").c_str(), 100010, 100020), 0);
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 0420), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Run(requests::Access(node, R_OK, {10, 1})), 0);
  EXPECT_EQ(Run(requests::Access(node, R_OK, {100010, 1})), 0) << "no rule: the host's own id";
  EXPECT_EQ(Run(requests::Access(node, R_OK, {11, 1})), EACCES);
  EXPECT_EQ(Run(requests::Access(node, W_OK, {11, 20})), 0);
  EXPECT_EQ(Run(requests::Access(node, W_OK, {11, 1, {20}})), 0);
  EXPECT_EQ(Run(requests::Access(node, R_OK | W_OK, {0, 0})), 0) << "the guest's root";
  EXPECT_EQ(Run(requests::Access(node, R_OK, {5000, 1})), EIO);
}

TEST_F(IdTranslationTest, AccessOfNobodyIsThatOfOthers) {
  share_.Write("file");
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 0640), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Run(requests::Access(node, R_OK, {kNoId, kNoId})), EACCES);
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 0644), 0);
  EXPECT_EQ(Run(requests::Access(node, R_OK, {kNoId, kNoId})), 0);
}

}  // namespace
}  // namespace postern
