// What the options about the guest change in the answers of the whole daemon.
#include <fcntl.h>

#include <string>
#include <vector>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::InitOptions;
using vmm::NodeOf;

// Bits of flags | flags2 << 32.
constexpr uint64_t kReaddirplus = FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
constexpr uint64_t kPosixAcl = FUSE_DONT_MASK | FUSE_POSIX_ACL | FUSE_SETXATTR_EXT;
constexpr uint64_t kDirectIoAllowMmap = uint64_t{1} << 36;
// All that any option decides.
constexpr uint64_t kOptional = kReaddirplus | kPosixAcl | kDirectIoAllowMmap |
                               FUSE_WRITEBACK_CACHE | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SECURITY_CTX;

InitOptions OfferAll() {
  InitOptions options;
  options.flags = UINT64_MAX;
  return options;
}

struct FlagsCase {
  std::string name;
  std::vector<std::string> options;
  uint64_t enabled;  // Of kOptional.
};

class InitFlagsTest : public ShareFixture, public testing::WithParamInterface<FlagsCase> {};

TEST_P(InitFlagsTest, AreThoseOfTheOption) {
  Setup setup;
  setup.daemon_options = GetParam().options;
  setup.init = false;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  ASSERT_OK_AND_ASSIGN(const fuse_init_out reply, fuse().Init(OfferAll()));
  EXPECT_EQ(reply.minor, 38u);
  EXPECT_EQ((reply.flags | uint64_t{reply.flags2} << 32) & kOptional, GetParam().enabled);
}

INSTANTIATE_TEST_SUITE_P(
    All, InitFlagsTest,
    testing::Values(
        FlagsCase{"Default", {}, kReaddirplus}, FlagsCase{"CacheNever", {"--cache=never"}, 0},
        FlagsCase{"CacheMetadata", {"--cache=metadata"}, kReaddirplus},
        FlagsCase{"CacheAlways", {"--cache=always"}, kReaddirplus},
        FlagsCase{"NoReaddirplus", {"--no-readdirplus"}, 0},
        FlagsCase{"Xattr", {"--xattr"}, kReaddirplus},
        FlagsCase{"PosixAcl", {"--posix-acl"}, kReaddirplus | kPosixAcl},
        FlagsCase{"SecurityLabel", {"--security-label"}, kReaddirplus | FUSE_SECURITY_CTX},
        FlagsCase{"Writeback", {"--writeback"}, kReaddirplus | FUSE_WRITEBACK_CACHE},
        FlagsCase{"KillprivV2", {"--killpriv-v2"}, kReaddirplus | FUSE_HANDLE_KILLPRIV_V2},
        FlagsCase{"AllowMmap", {"--allow-mmap"}, kReaddirplus | kDirectIoAllowMmap}),
    [](const auto& instance) { return instance.param.name; });

class MissingFlagTest : public ShareFixture, public testing::WithParamInterface<FlagsCase> {};

TEST_P(MissingFlagTest, IsEprotoAndTheNextInitIsServed) {
  Setup setup;
  setup.daemon_options = GetParam().options;
  setup.init = false;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  InitOptions options = OfferAll();
  options.flags &= ~GetParam().enabled;
  EXPECT_ERRNO(fuse().Init(options), EPROTO);
  EXPECT_OK(fuse().Init(OfferAll()));
}

INSTANTIATE_TEST_SUITE_P(
    All, MissingFlagTest,
    testing::Values(FlagsCase{"PosixAcl", {"--posix-acl"}, FUSE_POSIX_ACL},
                    FlagsCase{"DontMask", {"--posix-acl"}, FUSE_DONT_MASK},
                    FlagsCase{"SetxattrExt", {"--posix-acl"}, FUSE_SETXATTR_EXT},
                    FlagsCase{"SecurityContexts", {"--security-label"}, FUSE_SECURITY_CTX}),
    [](const auto& instance) { return instance.param.name; });

// ---- what is told at open ----

struct CacheCase {
  std::string name;
  std::string mode;
  uint32_t open_flags;
  uint32_t open_directory_flags;
  uint64_t timeout_seconds;
};

class CacheModeTest : public ShareFixture, public testing::WithParamInterface<CacheCase> {};

TEST_P(CacheModeTest, DecidesTimeoutsAndOpenFlags) {
  Setup setup;
  setup.daemon_options = {"--cache=" + GetParam().mode};
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  WriteHost("file", "content");
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out entry, fuse().Lookup(kRoot, "file"));
  EXPECT_EQ(entry.entry_valid, GetParam().timeout_seconds);
  EXPECT_EQ(entry.attr_valid, GetParam().timeout_seconds);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out file, fuse().Open(NodeOf(entry), O_RDONLY));
  // virtiofsd never allows direct writes in parallel; to the guest that's only a matter of speed.
  const uint32_t not_with_a_peer = IsPostern() ? 0u : uint32_t{FOPEN_PARALLEL_DIRECT_WRITES};
  EXPECT_EQ(file.open_flags, GetParam().open_flags & ~not_with_a_peer);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out directory, fuse().Opendir(kRoot));
  EXPECT_EQ(directory.open_flags, GetParam().open_directory_flags);
}

INSTANTIATE_TEST_SUITE_P(
    All, CacheModeTest,
    testing::Values(
        CacheCase{"Never", "never", FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES, 0, 0},
        CacheCase{"Metadata", "metadata", FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES,
                  FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE, 86400},
        CacheCase{"Auto", "auto", 0, 0, 1},
        CacheCase{"Always", "always", FOPEN_KEEP_CACHE, FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE, 86400}),
    [](const auto& instance) { return instance.param.name; });

// ---- writeback ----

class WritebackTest : public ShareFixture {};

TEST_F(WritebackTest, MakesFilesForWritingReadable) {
  POSTERN_ONLY("virtiofsd forgets it in CREATE: the file can't be read");
  Setup setup;
  setup.daemon_options = {"--writeback"};
  setup.init = false;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  ASSERT_OK(fuse().Init(OfferAll()));
  ASSERT_OK_AND_ASSIGN(const auto created, fuse().Create(kRoot, "file", O_WRONLY | O_CREAT));
  const NodeId node = NodeOf(created.entry);
  ASSERT_OK(fuse().WriteString(node, HandleOf(created.opened), 0, "content"));
  ASSERT_OK_AND_ASSIGN(const std::string read,
                       fuse().ReadString(node, HandleOf(created.opened), 0, 7));
  EXPECT_EQ(read, "content");
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(node, O_WRONLY | O_APPEND));
  ASSERT_OK_AND_ASSIGN(const std::string read_again,
                       fuse().ReadString(node, HandleOf(opened), 0, 7));
  EXPECT_EQ(read_again, "content");
}

}  // namespace
}  // namespace postern
