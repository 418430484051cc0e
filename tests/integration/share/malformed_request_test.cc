// Requests that no guest's kernel sends. Each costs its sender an error and nobody else anything.
#include <cstring>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

std::string Header(uint32_t length, uint32_t opcode, uint64_t node, uint16_t extensions = 0) {
  fuse_in_header header{};
  header.len = length;
  header.opcode = opcode;
  header.unique = 0x4242;
  header.nodeid = node;
  header.total_extlen = extensions;
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header));
}

class MalformedRequestTest : public ShareTest {
 protected:
  void SetUp() override {
    POSTERN_ONLY("they stop serving the queue");
    ASSERT_NO_FATAL_FAILURE(ShareTest::SetUp());
    WriteHost("file", "content");
  }
  // After each of these the queue still serves.
  void TearDown() override {
    if (!daemon_) return;
    EXPECT_OK(fuse().Lookup(kRoot, "file"));
    EXPECT_EQ(ReadHost("file"), "content");
    ShareTest::TearDown();
  }

  // The error of the answer to these bytes; 0 if it is a success, -1 if there is no answer.
  int ErrorOf(std::string_view request, size_t reply_bytes = 256) {
    const auto reply =
        fuse().CallRaw(std::as_bytes(std::span(request.data(), request.size())), reply_bytes);
    EXPECT_OK(reply);
    if (!reply.ok() || reply->size() < sizeof(fuse_out_header)) return -1;
    fuse_out_header header;
    std::memcpy(&header, reply->data(), sizeof(header));
    EXPECT_EQ(header.len, reply->size());
    EXPECT_EQ(header.unique, request.size() >= sizeof(fuse_in_header) ? 0x4242u : header.unique);
    return -header.error;
  }
};

TEST_F(MalformedRequestTest, ShorterThanAHeaderIsGivenBack) {
  EXPECT_THAT(ErrorOf(std::string(39, '\0')), testing::AnyOf(EINVAL, -1));
  EXPECT_THAT(ErrorOf("x"), testing::AnyOf(EINVAL, -1));
}

TEST_F(MalformedRequestTest, NoRoomForAReplyIsGivenBack) {
  EXPECT_EQ(ErrorOf(Header(45, FUSE_LOOKUP, 1) + std::string("file\0", 5), 15), -1);
  EXPECT_EQ(ErrorOf(Header(45, FUSE_LOOKUP, 1) + std::string("file\0", 5), 0), -1);
}

TEST_F(MalformedRequestTest, LengthBeyondTheReadablePartIsEinval) {
  EXPECT_EQ(ErrorOf(Header(4096, FUSE_LOOKUP, 1) + std::string("file\0", 5)), EINVAL);
  EXPECT_EQ(ErrorOf(Header(0xffffffff, FUSE_LOOKUP, 1) + std::string("file\0", 5)), EINVAL);
}

TEST_F(MalformedRequestTest, LengthBelowTheHeaderIsEinval) {
  EXPECT_EQ(ErrorOf(Header(39, FUSE_LOOKUP, 1) + std::string("file\0", 5)), EINVAL);
  EXPECT_EQ(ErrorOf(Header(0, FUSE_GETATTR, 1) + std::string(16, '\0')), EINVAL);
}

TEST_F(MalformedRequestTest, NameWithoutItsNulIsEinval) {
  EXPECT_EQ(ErrorOf(Header(44, FUSE_LOOKUP, 1) + "file"), EINVAL);
  EXPECT_EQ(ErrorOf(Header(44, FUSE_UNLINK, 1) + "file"), EINVAL);
  EXPECT_EQ(ErrorOf(Header(40, FUSE_LOOKUP, 1)), EINVAL);
}

TEST_F(MalformedRequestTest, NameWithANulInsideIsEinval) {
  EXPECT_EQ(ErrorOf(Header(47, FUSE_LOOKUP, 1) + std::string("fi\0le!\0", 7)), EINVAL);
}

TEST_F(MalformedRequestTest, SecondNameMissingIsEinval) {
  EXPECT_EQ(ErrorOf(Header(53, FUSE_RENAME, 1) + std::string("\1\0\0\0\0\0\0\0", 8) +
                    std::string("file\0", 5)),
            EINVAL);
}

TEST_F(MalformedRequestTest, CutArgumentsAreEinval) {
  EXPECT_EQ(ErrorOf(Header(55, FUSE_GETATTR, 1) + std::string(15, '\0')), EINVAL);
  EXPECT_EQ(ErrorOf(Header(127, FUSE_SETATTR, 1) + std::string(87, '\0')), EINVAL);
  EXPECT_EQ(ErrorOf(Header(47, FUSE_OPEN, 1) + std::string(7, '\0')), EINVAL);
  EXPECT_EQ(ErrorOf(Header(79, FUSE_READ, 1) + std::string(39, '\0')), EINVAL);
  EXPECT_EQ(ErrorOf(Header(44, FUSE_INIT, 0) + std::string(4, '\0')), EINVAL);
}

TEST_F(MalformedRequestTest, WriteOfMoreThanItBringsIsRefused) {
  fuse_write_in arguments{};
  arguments.size = 4096;
  const std::string body(reinterpret_cast<const char*>(&arguments), sizeof(arguments));
  const int error = ErrorOf(Header(84, FUSE_WRITE, 1) + body + "data");
  EXPECT_THAT(error, testing::AnyOf(EINVAL, EBADF));
}

TEST_F(MalformedRequestTest, BatchForgetOfMoreThanItBringsEndsQuietly) {
  fuse_batch_forget_in arguments{.count = 0xffffffff, .dummy = 0};
  const std::string body(reinterpret_cast<const char*>(&arguments), sizeof(arguments));
  EXPECT_THAT(ErrorOf(Header(48, FUSE_BATCH_FORGET, 0) + body), testing::AnyOf(EINVAL, -1));
}

TEST_F(MalformedRequestTest, CutExtensionIsEinval) {
  const std::string body = std::string(8, '\0') + std::string("x\0", 2);
  EXPECT_EQ(ErrorOf(Header(54, FUSE_MKDIR, 1, 1) + body + "abcd"), EINVAL);
  EXPECT_FALSE(HostExists("x"));
}

TEST_F(MalformedRequestTest, GroupsThatClaimTooManyAreEinval) {
  const uint32_t extension[] = {16, vmm::kFuseExtGroups, 0x40000001, 4000};
  const std::string body = std::string(8, '\0') + std::string("x\0", 2) +
                           std::string(reinterpret_cast<const char*>(extension), sizeof(extension));
  EXPECT_EQ(ErrorOf(Header(66, FUSE_MKDIR, 1, 2) + body), EINVAL);
  EXPECT_FALSE(HostExists("x"));
}

TEST_F(MalformedRequestTest, ReaddirOfMoreThanItHasRoomForStaysInside) {
  const auto opened = fuse().Opendir(kRoot);
  ASSERT_OK(opened);
  fuse_read_in arguments{};
  arguments.fh = opened->fh;
  arguments.size = 1 << 20;
  const std::string body(reinterpret_cast<const char*>(&arguments), sizeof(arguments));
  // An error, or what fits.
  EXPECT_GE(ErrorOf(Header(80, FUSE_READDIR, 1) + body, 200), 0);
}

}  // namespace
}  // namespace postern
