// SETATTR's decoder: which fields each combination of valid bits sets.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/worker/fuse/fuse_decode_fixture.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

class SetattrTest : public testing::Test {
 protected:
  SetattrTest() {
    in_.fh = 77;
    in_.size = 4096;
    in_.atime = 11;
    in_.mtime = static_cast<uint64_t>(-12);
    in_.atimensec = 999'999'999;
    in_.mtimensec = 14;
    in_.mode = S_IFREG | 06755;
    in_.uid = 1002;
    in_.gid = UINT32_MAX;
    expected_.mutable_set_attributes()->set_node_id(5);
  }
  int Decode(uint32_t valid) {
    in_.valid = valid;
    return decoding_.Decode(FUSE_SETATTR, FuseBytes().Add(in_));
  }
  void Expect(uint32_t valid) {
    EXPECT_EQ(Decode(valid), 0);
    EXPECT_THAT(decoding_.request, IsMessage(expected_));
  }
  rpc::SetAttributesRequest& expected() { return *expected_.mutable_set_attributes(); }

  FuseDecoding decoding_;
  fuse_setattr_in in_ = {};
  rpc::Request expected_;
};

TEST_F(SetattrTest, NothingValidSetsNothing) { Expect(0); }

TEST_F(SetattrTest, HandleAloneSetsOnlyTheHandle) {
  expected().set_open_file_id(77);
  Expect(FATTR_FH);
}

TEST_F(SetattrTest, ModeIsStrippedOfTheFileType) {
  expected().set_mode(06755);
  Expect(FATTR_MODE);
}

TEST_F(SetattrTest, OwnerAndGroupAreIndependent) {
  expected().set_uid(1002);
  Expect(FATTR_UID);
  expected().clear_uid();
  expected().set_gid(UINT32_MAX);
  Expect(FATTR_GID);
  expected().set_uid(1002);
  Expect(FATTR_UID | FATTR_GID);
}

TEST_F(SetattrTest, SizeZeroIsAValue) {
  in_.size = 0;
  expected().set_size(0);
  Expect(FATTR_SIZE);
}

TEST_F(SetattrTest, TimesAreSigned) {
  expected().mutable_atime()->mutable_at()->set_seconds(11);
  expected().mutable_atime()->mutable_at()->set_nanoseconds(999'999'999);
  expected().mutable_mtime()->mutable_at()->set_seconds(-12);
  expected().mutable_mtime()->mutable_at()->set_nanoseconds(14);
  Expect(FATTR_ATIME | FATTR_MTIME);
}

TEST_F(SetattrTest, TimeNowHidesTheGivenOne) {
  in_.atimensec = UINT32_MAX;
  expected().mutable_atime()->set_now(true);
  expected().mutable_mtime()->set_now(true);
  Expect(FATTR_ATIME | FATTR_ATIME_NOW | FATTR_MTIME | FATTR_MTIME_NOW);
}

TEST_F(SetattrTest, NowWithoutATimeSetsNothing) { Expect(FATTR_ATIME_NOW | FATTR_MTIME_NOW); }

TEST_F(SetattrTest, OneTimeNowLeavesTheOther) {
  expected().mutable_atime()->mutable_at()->set_seconds(11);
  expected().mutable_atime()->mutable_at()->set_nanoseconds(999'999'999);
  expected().mutable_mtime()->set_now(true);
  Expect(FATTR_ATIME | FATTR_MTIME | FATTR_MTIME_NOW);
}

// utimensat(2) would take some of these for UTIME_NOW and UTIME_OMIT.
TEST_F(SetattrTest, NanosecondsOfASecondAndMoreAreRefused) {
  in_.atimensec = 1'000'000'000;
  EXPECT_EQ(Decode(FATTR_ATIME), EINVAL);
  in_.atimensec = 0;
  in_.mtimensec = (1 << 30) - 1;  // UTIME_NOW
  EXPECT_EQ(Decode(FATTR_MTIME), EINVAL);
}

TEST_F(SetattrTest, ChangeTimeAndLockOwnerAreIgnored) { Expect(FATTR_CTIME | FATTR_LOCKOWNER); }

TEST_F(SetattrTest, KillPrivilegesNeedsItsNegotiation) {
  expected().set_size(4096);
  Expect(FATTR_SIZE | FATTR_KILL_SUIDGID);
  decoding_.session.Begin(FUSE_HANDLE_KILLPRIV_V2);
  expected().set_kill_privileges(true);
  Expect(FATTR_SIZE | FATTR_KILL_SUIDGID);
  expected().set_kill_privileges(false);
  Expect(FATTR_SIZE);
}

TEST_F(SetattrTest, OpenKillsPrivilegesOnlyIfNegotiated) {
  const FuseBytes open = FuseBytes().Add(fuse_open_in{0, FUSE_OPEN_KILL_SUIDGID});
  EXPECT_EQ(decoding_.Decode(FUSE_OPEN, open), 0);
  EXPECT_FALSE(decoding_.request.open().kill_privileges());
  decoding_.session.Begin(FUSE_HANDLE_KILLPRIV_V2);
  EXPECT_EQ(decoding_.Decode(FUSE_OPEN, open), 0);
  EXPECT_TRUE(decoding_.request.open().kill_privileges());
}

}  // namespace
}  // namespace postern
