// A guest at its limits is refused before anything is done for it.
#include <vector>

#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

class LimitsFixture : public FilesystemTest {
 protected:
  // A guest that knows `max_inodes` files, "known" among them.
  void StartAtMaxInodes(uint64_t max_inodes) {
    FilesystemOptions options;
    options.max_inodes = max_inodes;
    StartFilesystem(std::move(options));
    share_.Write("known", "content");
    known_ = Lookup("known");
    for (uint64_t i = 1; i < max_inodes; ++i) {
      share_.Write(std::to_string(i));
      Lookup(std::to_string(i));
    }
  }
  // Takes all descriptors of a kind.
  void UseUp(DescriptorBudget::Kind kind) {
    for (auto share = filesystem_->budget().Take(kind); share.ok();
         share = filesystem_->budget().Take(kind)) {
      used_up_.push_back(std::move(*share));
    }
  }
  void TearDown() override {
    used_up_.clear();
    FilesystemTest::TearDown();
  }
  int Forget(uint64_t node) {
    rpc::Request request;
    request.mutable_forget()->add_items()->set_node_id(node);
    request.mutable_forget()->mutable_items(0)->set_count(1);
    return Run(request);
  }

  uint64_t known_ = 0;
  std::vector<DescriptorBudget::Share> used_up_;
};

// A request that makes "new".
struct MakingCase {
  const char* name;
  rpc::Request (*request)();
};

class LimitsTest : public LimitsFixture, public testing::WithParamInterface<MakingCase> {
 protected:
  // That the request is refused and has done nothing.
  void ExpectRefused() {
    const size_t inodes = filesystem_->inode_budget().used();
    const size_t descriptors = filesystem_->budget().used();
    EXPECT_EQ(Run(GetParam().request()), ENFILE);
    EXPECT_FALSE(share_.Exists("new"));
    EXPECT_EQ(filesystem_->inode_budget().used(), inodes);
    EXPECT_EQ(filesystem_->budget().used(), descriptors);
  }
};
INSTANTIATE_TEST_SUITE_P(
    , LimitsTest,
    testing::Values(MakingCase{"Mkdir", [] { return requests::MakeDirectory("new"); }},
                    MakingCase{"Mknod", [] { return requests::MakeNode("new", S_IFREG | 0644); }},
                    MakingCase{"Symlink", [] { return requests::Symlink("new", "target"); }},
                    MakingCase{"Create", [] { return requests::Create("new", O_RDWR); }},
                    MakingCase{"CreateExclusive",
                               [] { return requests::Create("new", O_RDWR | O_EXCL); }},
                    MakingCase{"Tmpfile", [] { return requests::CreateTemporary(O_RDWR); }}),
    [](const auto& row) { return row.param.name; });

TEST_P(LimitsTest, MakesNothingAtMaxInodesAndGoesOnAfterAForget) {
  StartAtMaxInodes(1);
  ExpectRefused();
  EXPECT_EQ(Forget(known_), 0);
  EXPECT_EQ(Run(GetParam().request()), 0);
  EXPECT_EQ(filesystem_->inode_budget().used(), 1u);
}

TEST_P(LimitsTest, MakesNothingWithoutADescriptorForTheInode) {
  UseUp(DescriptorBudget::Kind::kInode);
  ExpectRefused();
  used_up_.clear();
  EXPECT_EQ(Run(GetParam().request()), 0);
}

TEST_P(LimitsTest, MakesNothingAtMaxInodesWithFileHandles) {
  handles_ = MountTable::Policy::kDescriptor;
  StartAtMaxInodes(3);
  ExpectRefused();
  EXPECT_EQ(Forget(known_), 0);
  EXPECT_EQ(Run(GetParam().request()), 0);
}

TEST_P(LimitsTest, GivesBackWhatItTookIfNothingIsMade) {
  const size_t descriptors = filesystem_->budget().used();
  rpc::Request request = GetParam().request();
  ASSERT_EQ(chmod(share_.Path().c_str(), 0755), 0);
  ASSERT_EQ(mkdir(share_.Path("new").c_str(), 0755), 0);
  if (request.has_create_temporary_file()) {
    request.mutable_create_temporary_file()->set_flags(O_RDONLY);
    EXPECT_EQ(Run(request), EINVAL);
  } else {
    EXPECT_NE(Run(request), 0);
  }
  EXPECT_EQ(filesystem_->inode_budget().used(), 0u);
  EXPECT_EQ(filesystem_->budget().used(), descriptors);
}

using KnownFileAtTheLimitTest = LimitsFixture;

TEST_F(KnownFileAtTheLimitTest, IsOpenedByCreateAndGetsAnotherName) {
  StartAtMaxInodes(1);
  EXPECT_EQ(Run(requests::Create("known", O_RDWR)), 0);
  EXPECT_EQ(reply_.created().entry().node_id(), known_);
  EXPECT_EQ(Run(requests::Link(known_, "new")), 0);
  EXPECT_EQ(reply_.entry().node_id(), known_);
  EXPECT_EQ(Count(known_), 3u);
}

TEST_F(KnownFileAtTheLimitTest, IsNotCutByAnOpenForWhichThereIsNoDescriptor) {
  StartAtMaxInodes(1);
  UseUp(DescriptorBudget::Kind::kOpen);
  EXPECT_EQ(Run(requests::Open(known_, O_RDWR | O_TRUNC)), ENFILE);
  EXPECT_EQ(Run(requests::Create("known", O_RDWR | O_TRUNC)), ENFILE);
  EXPECT_EQ(share_.Read("known"), "content");
  EXPECT_EQ(Count(known_), 1u);
}

TEST_F(KnownFileAtTheLimitTest, IsCountedOnceForALinkThatFails) {
  StartAtMaxInodes(1);
  EXPECT_EQ(Run(requests::Link(known_, "known")), EEXIST);
  EXPECT_EQ(Count(known_), 1u);
}

}  // namespace
}  // namespace postern
