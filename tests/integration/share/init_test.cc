// INIT, DESTROY, and requests that a server doesn't know.
#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::InitOptions;
using vmm::NodeOf;

class InitTest : public ShareFixture {
 protected:
  void SetUp() override {
    ShareFixture::SetUp();
    Setup setup;
    setup.init = false;
    ASSERT_NO_FATAL_FAILURE(Start(setup));
    WriteHost("file", "content");
  }
};

TEST_F(InitTest, ReplyStatesVersionAndLimits) {
  ASSERT_OK_AND_ASSIGN(const fuse_init_out reply, fuse().Init());
  EXPECT_EQ(reply.major, 7u);
  EXPECT_GE(reply.minor, 36u);
  EXPECT_EQ(reply.max_write, 1u << 20);
  EXPECT_EQ(reply.max_pages, 256u);
  EXPECT_EQ(reply.time_gran, 1u);
  EXPECT_EQ(reply.max_readahead, 128u * 1024);
  EXPECT_GT(reply.max_background, reply.congestion_threshold);
}

TEST_F(InitTest, OnlyOfferedFlagsComeBack) {
  InitOptions options;
  options.flags = FUSE_INIT_EXT | FUSE_ASYNC_READ | FUSE_BIG_WRITES;
  ASSERT_OK_AND_ASSIGN(const fuse_init_out reply, fuse().Init(options));
  const uint64_t flags = reply.flags | (uint64_t{reply.flags2} << 32);
  EXPECT_EQ(flags & ~options.flags, 0u);
  EXPECT_EQ(flags & FUSE_ASYNC_READ, static_cast<uint64_t>(FUSE_ASYNC_READ));
}

TEST_F(InitTest, DefaultFlagsAreTheDocumentedOnes) {
  ASSERT_OK_AND_ASSIGN(const fuse_init_out reply, fuse().Init());
  const uint64_t flags = reply.flags | (uint64_t{reply.flags2} << 32);
  const uint64_t wanted = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
                          FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
                          FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_INIT_EXT |
                          FUSE_SUBMOUNTS | vmm::kFuseCreateSuppGroup;
  EXPECT_EQ(flags & wanted, wanted);
  const uint64_t unwanted = FUSE_WRITEBACK_CACHE | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS |
                            FUSE_SPLICE_READ | FUSE_SPLICE_WRITE | FUSE_POSIX_ACL | FUSE_DONT_MASK |
                            FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT | FUSE_SECURITY_CTX |
                            FUSE_HANDLE_KILLPRIV | FUSE_EXPORT_SUPPORT;
  EXPECT_EQ(flags & unwanted, 0u);
}

TEST_F(InitTest, ShortInitOfOldKernelsIsTaken) {
  InitOptions options;
  options.minor = 31;
  options.flags = FUSE_ASYNC_READ | FUSE_MAX_PAGES;  // No INIT_EXT: 16 bytes of arguments.
  EXPECT_OK(fuse().Init(options));
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(InitTest, TooOldMinorIsEproto) {
  InitOptions options;
  options.minor = 26;
  // EPROTO is also what the client calls a broken rule: TearDown() sees that none was broken.
  EXPECT_ERRNO(fuse().Init(options), EPROTO);
  EXPECT_OK(fuse().Init());
}

TEST_F(InitTest, TooOldMajorIsEproto) {
  InitOptions options;
  options.major = 6;
  EXPECT_ERRNO(fuse().Init(options), EPROTO);
}

TEST_F(InitTest, NewerMajorIsAnsweredWithOurs) {
  InitOptions options;
  options.major = 8;
  ASSERT_OK_AND_ASSIGN(const fuse_init_out reply, fuse().Init(options));
  EXPECT_EQ(reply.major, 7u);
  EXPECT_OK(fuse().Init());
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(InitTest, RequestsBeforeInitFail) {
  EXPECT_NE(fuse().Lookup(kRoot, "file").errno_value(), 0);
  EXPECT_NE(fuse().Mkdir(kRoot, "directory").errno_value(), 0);
  EXPECT_FALSE(HostExists("directory"));
  EXPECT_OK(fuse().Init());
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(InitTest, SecondInitEndsTheFirstSession) {
  ASSERT_OK(fuse().Init());
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(entry), O_RDONLY));
  ASSERT_OK(fuse().Init());
  EXPECT_ERRNO(fuse().Getattr(NodeOf(entry)), EBADF);
  EXPECT_ERRNO(fuse().ReadString(NodeOf(entry), HandleOf(opened), 0, 10), EBADF);
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(InitTest, DestroyEndsTheSession) {
  ASSERT_OK(fuse().Init());
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  ASSERT_OK(fuse().Destroy());
  EXPECT_NE(fuse().Getattr(NodeOf(entry)).errno_value(), 0);
  ASSERT_OK(fuse().Init());
  EXPECT_ERRNO(fuse().Getattr(NodeOf(entry)), EBADF);
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
}

TEST_F(InitTest, InitOnAnyQueueCounts) {
  ASSERT_OK(fuse_on(queue_count() - 1).Init());
  EXPECT_OK(fuse().Lookup(kRoot, "file"));
  EXPECT_OK(fuse_on(0).Lookup(kRoot, "file"));
}

TEST_F(InitTest, UnknownOpcodesAreEnosys) {
  ASSERT_OK(fuse().Init());
  const std::byte arguments[64] = {};
  for (const uint32_t opcode : {vmm::kFuseUnusedOpcode, 0u, 7u, 19u, 54u, 0xffffffffu,
                                static_cast<uint32_t>(FUSE_SETUPMAPPING)}) {
    EXPECT_ERRNO(fuse().Call(opcode, kRoot, arguments, 64), ENOSYS) << opcode;
  }
}

TEST_F(InitTest, LocksIoctlAndPollAreEnosys) {
  ASSERT_OK(fuse().Init());
  const std::byte arguments[64] = {};
  for (const fuse_opcode opcode :
       {FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW, FUSE_IOCTL, FUSE_POLL, FUSE_BMAP}) {
    EXPECT_ERRNO(fuse().Call(opcode, kRoot, arguments, 64), ENOSYS) << opcode;
  }
}

TEST_F(InitTest, ExtendedAttributesAreEnosysByDefault) {
  ASSERT_OK(fuse().Init());
  const auto call = [&](fuse_opcode opcode, std::string_view body) {
    return fuse().Call(opcode, kRoot, std::as_bytes(std::span(body.data(), body.size())), 64);
  };
  constexpr std::string_view kZeros("\0\0\0\0\0\0\0\0", 8);
  constexpr std::string_view kName("user.name\0", 10);
  // struct fuse_setxattr_in of 8 bytes: a value of one byte.
  constexpr std::string_view kSet("\1\0\0\0\0\0\0\0", 8);
  EXPECT_ERRNO(call(FUSE_GETXATTR, std::string(kZeros) + std::string(kName)), ENOSYS);
  EXPECT_ERRNO(call(FUSE_LISTXATTR, kZeros), ENOSYS);
  EXPECT_ERRNO(call(FUSE_SETXATTR, std::string(kSet) + std::string(kName) + "v"), ENOSYS);
  EXPECT_ERRNO(call(FUSE_REMOVEXATTR, kName), ENOSYS);
}

}  // namespace
}  // namespace postern
