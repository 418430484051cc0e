// Drivers that aren't Linux's: what Windows' (viofs) and EDK II's firmware send, and what any
// client may leave in bytes whose meaning it hasn't negotiated.
#include <sys/stat.h>

#include <cstring>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using testing::Contains;
using testing::Field;
using vmm::DirectoryEntry;
using vmm::FuseHandle;
using vmm::HandleOf;
using vmm::NodeOf;

template <typename T>
std::string BytesOf(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

// FUSE 7.31, with READDIRPLUS and without the choice when to use it.
class ForeignClientTest : public ShareFixture {
 protected:
  void Begin(std::vector<std::string> options = {}) {
    Setup setup;
    setup.fuse.framing = vmm::Framing::kCompact;
    setup.daemon_options = std::move(options);
    setup.init_options.minor = 31;
    setup.init_options.flags = FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES;
    ASSERT_NO_FATAL_FAILURE(Start(setup));
  }
  NodeId Node(NodeId parent, std::string_view name) {
    const auto entry = fuse().Lookup(parent, name);
    EXPECT_OK(entry);
    return entry.ok() ? NodeOf(*entry) : NodeId(0);
  }
  // The answer's error to `body` after a header whose padding is what was on a stack.
  int ErrorWithDirtyPadding(uint32_t opcode, NodeId node, const std::string& body) {
    fuse_in_header header{};
    header.len = static_cast<uint32_t>(sizeof(header) + body.size());
    header.opcode = opcode;
    header.unique = 7;
    header.nodeid = node.value();
    header.total_extlen = 0xcccc;
    header.padding = 0xcccc;
    const std::string request = BytesOf(header) + body;
    const auto reply = fuse().CallRaw(std::as_bytes(std::span(request)), 4096);
    EXPECT_OK(reply);
    fuse_out_header answer{};
    if (reply.ok()) std::memcpy(&answer, reply->data(), std::min(sizeof(answer), reply->size()));
    return -answer.error;
  }
  // The same, of `body` and bytes behind it that mean nothing.
  int ErrorWithMore(uint32_t opcode, NodeId node, const std::string& body) {
    const std::string arguments = body + std::string(260, '\xcc');
    return fuse().Call(opcode, node, std::as_bytes(std::span(arguments)), 4096).errno_value();
  }
};

TEST_F(ForeignClientTest, DotIsTheDirectoryAndDotDotItsParent) {
  MakeHostDirectory("d");
  MakeHostDirectory("d/e");
  WriteHost("file", "");
  ASSERT_NO_FATAL_FAILURE(Begin());
  EXPECT_EQ(Node(kRoot, "."), kRoot);
  EXPECT_EQ(Node(kRoot, ".."), kRoot);
  const NodeId d = Node(kRoot, "d");
  const NodeId e = Node(d, "e");
  EXPECT_EQ(Node(e, "."), e);
  EXPECT_EQ(Node(e, ".."), d);
  EXPECT_EQ(Node(d, ".."), kRoot);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out up, fuse().Lookup(e, ".."));
  EXPECT_EQ(up.attr.ino, StatHost("d").st_ino);
  EXPECT_ERRNO(fuse().Lookup(Node(kRoot, "file"), "."), ENOTDIR);
  EXPECT_ERRNO(fuse().Lookup(Node(kRoot, "file"), ".."), ENOTDIR);
}

TEST_F(ForeignClientTest, LookupsOfDotsAreCounted) {
  MakeHostDirectory("d");
  ASSERT_NO_FATAL_FAILURE(Begin());
  const NodeId d = Node(kRoot, "d");
  ASSERT_EQ(Node(d, "."), d);
  ASSERT_OK(fuse().Forget(d, 1));
  EXPECT_OK(fuse().Getattr(d));
  ASSERT_OK(fuse().Forget(d, 1));
  EXPECT_ERRNO(fuse().Getattr(d), EBADF);
}

// A host that moves a directory out of the share doesn't open what lies beside it.
class DotDotTest : public ForeignClientTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(, DotDotTest, testing::Values("namespace", "chroot", "none"),
                         [](const auto& row) { return std::string(row.param); });

TEST_P(DotDotTest, ReachesNothingThatTheGuestDoesNotKnow) {
  if (geteuid() != 0) GTEST_SKIP() << "chroot needs root";
  MakeHostDirectory("d");
  MakeHostDirectory("d/e");
  ASSERT_NO_FATAL_FAILURE(Begin({std::string("--sandbox=") + GetParam()}));
  const NodeId d = Node(kRoot, "d");
  const NodeId e = Node(d, "e");
  ASSERT_OK(fuse().Forget(d, 1));
  EXPECT_ERRNO(fuse().Lookup(e, ".."), ENOENT) << "a directory that it has forgotten";
  const std::string outside = temp_.path() + "/outside";
  ASSERT_EQ(mkdir(outside.c_str(), 0755), 0);
  ASSERT_EQ(rename(Host("d/e").c_str(), (outside + "/e").c_str()), 0);
  EXPECT_ERRNO(fuse().Lookup(e, ".."), ENOENT) << "a directory of the host's";
  EXPECT_OK(fuse().Lookup(e, "."));
}

TEST_F(ForeignClientTest, OnlyLookupTakesDots) {
  MakeHostDirectory("d");
  ASSERT_NO_FATAL_FAILURE(Begin());
  const NodeId d = Node(kRoot, "d");
  for (const char* dot : {".", ".."}) {
    EXPECT_ERRNO(fuse().Mkdir(d, dot), EINVAL);
    EXPECT_ERRNO(fuse().Create(d, dot, O_RDWR), EINVAL);
    EXPECT_ERRNO(fuse().Rmdir(d, dot), EINVAL);
    EXPECT_ERRNO(fuse().Rename(d, dot, kRoot, "x"), EINVAL);
    EXPECT_ERRNO(fuse().Rename(kRoot, "d", d, dot), EINVAL);
    EXPECT_ERRNO(fuse().Link(d, d, dot), EINVAL);
  }
}

TEST_F(ForeignClientTest, PaddingOfTheHeaderMeansNothing) {
  ASSERT_NO_FATAL_FAILURE(Begin());
  const auto name = [](const char* text) { return std::string(text) + '\0'; };
  fuse_mkdir_in directory{};
  directory.mode = 0755;
  EXPECT_EQ(ErrorWithDirtyPadding(FUSE_MKDIR, kRoot, BytesOf(directory) + name("d")), 0);
  fuse_mknod_in node{};
  node.mode = S_IFIFO | 0644;
  EXPECT_EQ(ErrorWithDirtyPadding(FUSE_MKNOD, kRoot, BytesOf(node) + name("n")), 0);
  EXPECT_EQ(ErrorWithDirtyPadding(FUSE_SYMLINK, kRoot, name("s") + name("target")), 0);
  fuse_create_in file{};
  file.mode = 0644;
  file.flags = O_RDWR;
  file.open_flags = 0xcccccccc;
  EXPECT_EQ(ErrorWithDirtyPadding(FUSE_CREATE, kRoot, BytesOf(file) + name("f")), 0);
  EXPECT_EQ(ErrorWithDirtyPadding(FUSE_LOOKUP, kRoot, name("f")), 0);
  for (const char* made : {"d", "n", "s", "f"}) EXPECT_TRUE(HostExists(made)) << made;
}

TEST_F(ForeignClientTest, BytesBehindTheArgumentsMeanNothing) {
  WriteHost("file", "content");
  ASSERT_EQ(symlink("target", Host("link").c_str()), 0);
  ASSERT_NO_FATAL_FAILURE(Begin({"--xattr"}));
  const NodeId link = Node(kRoot, "link");
  EXPECT_EQ(ErrorWithMore(FUSE_READLINK, link, ""), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_STATFS, kRoot, ""), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_GETATTR, kRoot, BytesOf(fuse_getattr_in{})), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_SETATTR, kRoot, BytesOf(fuse_setattr_in{})), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_ACCESS, kRoot, BytesOf(fuse_access_in{})), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_LISTXATTR, kRoot, BytesOf(fuse_getxattr_in{})), 0);
  const NodeId file = Node(kRoot, "file");
  fuse_open_in open{};
  open.flags = O_RDWR;
  EXPECT_EQ(ErrorWithMore(FUSE_OPEN, file, BytesOf(open)), 0);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(file, O_RDWR));
  fuse_read_in read{};
  read.fh = opened.fh;
  read.size = 100;
  EXPECT_EQ(ErrorWithMore(FUSE_READ, file, BytesOf(read)), 0);
  fuse_flush_in flush{};
  flush.fh = opened.fh;
  EXPECT_EQ(ErrorWithMore(FUSE_FLUSH, file, BytesOf(flush)), 0);
  fuse_fsync_in sync{};
  sync.fh = opened.fh;
  EXPECT_EQ(ErrorWithMore(FUSE_FSYNC, file, BytesOf(sync)), 0);
  fuse_fallocate_in allocate{};
  allocate.fh = opened.fh;
  allocate.length = 100;
  EXPECT_EQ(ErrorWithMore(FUSE_FALLOCATE, file, BytesOf(allocate)), 0);
  fuse_release_in release{};
  release.fh = opened.fh;
  EXPECT_EQ(ErrorWithMore(FUSE_RELEASE, file, BytesOf(release)), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_OPENDIR, kRoot, BytesOf(fuse_open_in{})), 0);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out listing, fuse().Opendir(kRoot));
  read.fh = listing.fh;
  read.size = 2000;
  EXPECT_EQ(ErrorWithMore(FUSE_READDIR, kRoot, BytesOf(read)), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_READDIRPLUS, kRoot, BytesOf(read)), 0);
  sync.fh = release.fh = listing.fh;
  EXPECT_EQ(ErrorWithMore(FUSE_FSYNCDIR, kRoot, BytesOf(sync)), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_RELEASEDIR, kRoot, BytesOf(release)), 0);
  EXPECT_EQ(ErrorWithMore(FUSE_DESTROY, kRoot, ""), 0);
}

// EDK II's driver refuses a device without it, and knows dates from nowhere else.
class FirmwareTest : public ForeignClientTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(, FirmwareTest,
                         testing::Values("--cache=never", "--no-readdirplus", "--cache=auto"),
                         [](const auto& row) {
                           std::string name;
                           for (const char c : std::string_view(row.param)) {
                             if (std::isalpha(c) != 0) name += c;
                           }
                           return name;
                         });

TEST_P(FirmwareTest, ListsWithAttributesThoseOfTheDotsToo) {
  MakeHostDirectory("d");
  WriteHost("d/file", "content");
  ASSERT_NO_FATAL_FAILURE(Begin({GetParam()}));
  EXPECT_NE(fuse().enabled() & FUSE_DO_READDIRPLUS, 0u);
  const NodeId d = Node(kRoot, "d");
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(d));
  ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdirplus(d, HandleOf(opened), 0));
  ASSERT_EQ(entries.size(), 3u);
  for (const DirectoryEntry& entry : entries) {
    const struct stat expected = StatHost("d/" + entry.name);
    EXPECT_EQ(entry.entry.attr.ino, expected.st_ino) << entry.name;
    EXPECT_EQ(entry.entry.attr.mode, expected.st_mode) << entry.name;
    EXPECT_EQ(entry.entry.attr.mtime, static_cast<uint64_t>(expected.st_mtime)) << entry.name;
    EXPECT_EQ(entry.entry.nodeid == 0, entry.name != "file") << entry.name;
  }
  // The dots' lookups weren't counted.
  ASSERT_OK(fuse().Forget(d, 1));
  EXPECT_ERRNO(fuse().Getattr(d), EBADF);
}

TEST_F(ForeignClientTest, RootsDotsAreTheRoot) {
  ASSERT_NO_FATAL_FAILURE(Begin());
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(kRoot));
  ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdirplus(kRoot, HandleOf(opened), 0));
  ASSERT_EQ(entries.size(), 2u);
  for (const DirectoryEntry& entry : entries) {
    EXPECT_EQ(entry.entry.attr.ino, StatHost("").st_ino) << entry.name;
  }
}

// Who can choose looks the dots up himself: Linux does, and ignores these.
TEST_F(ForeignClientTest, LinuxPaysNothingForTheDots) {
  Setup setup;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(kRoot));
  ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdirplus(kRoot, HandleOf(opened), 0));
  ASSERT_EQ(entries.size(), 2u);
  for (const DirectoryEntry& entry : entries) EXPECT_EQ(entry.entry.attr.nlink, 0u);
}

struct Version {
  const char* name;
  uint32_t minor;
  uint64_t flags;
};
class ClientVersionTest : public ForeignClientTest, public testing::WithParamInterface<Version> {};
INSTANTIATE_TEST_SUITE_P(
    , ClientVersionTest,
    testing::Values(Version{"Oldest", 27, 0},
                    Version{"Linux4_19", 28,
                            FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_ATOMIC_O_TRUNC |
                                FUSE_EXPORT_SUPPORT | FUSE_BIG_WRITES | FUSE_DONT_MASK |
                                FUSE_SPLICE_WRITE | FUSE_SPLICE_MOVE | FUSE_SPLICE_READ |
                                FUSE_FLOCK_LOCKS | FUSE_HAS_IOCTL_DIR | FUSE_AUTO_INVAL_DATA |
                                FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |
                                FUSE_WRITEBACK_CACHE | FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS |
                                FUSE_HANDLE_KILLPRIV | FUSE_POSIX_ACL},
                    Version{"Linux5_4", 31, vmm::kLinuxInitFlags & 0x3ffffff},
                    Version{"FreeBSD", 35,
                            FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_EXPORT_SUPPORT |
                                FUSE_WRITEBACK_CACHE | FUSE_NO_OPEN_SUPPORT |
                                FUSE_NO_OPENDIR_SUPPORT | FUSE_SETXATTR_EXT},
                    Version{"Windows", 31, FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_P(ClientVersionTest, WorksOnFiles) {
  Setup setup;
  setup.init_options.minor = GetParam().minor;
  setup.init_options.flags = GetParam().flags;
  ASSERT_NO_FATAL_FAILURE(Start(setup));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out directory, fuse().Mkdir(kRoot, "d"));
  const NodeId d = NodeOf(directory);
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile file, fuse().Create(d, "file", O_RDWR));
  ASSERT_OK(fuse().WriteString(NodeOf(file.entry), HandleOf(file.opened), 0, "content"));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       fuse().ReadString(NodeOf(file.entry), HandleOf(file.opened), 0, 100));
  EXPECT_EQ(text, "content");
  EXPECT_OK(fuse().Flush(NodeOf(file.entry), HandleOf(file.opened)));
  EXPECT_OK(fuse().Release(NodeOf(file.entry), HandleOf(file.opened)));
  EXPECT_OK(fuse().Symlink(d, "link", "target"));
  EXPECT_OK(fuse().Rename(d, "file", kRoot, "moved"));
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Opendir(d));
  ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdir(d, HandleOf(opened), 0));
  EXPECT_THAT(entries, Contains(Field(&DirectoryEntry::name, "link")));
  EXPECT_OK(fuse().Releasedir(d, HandleOf(opened)));
  EXPECT_OK(fuse().Unlink(kRoot, "moved"));
  EXPECT_OK(fuse().Statfs(kRoot));
}

// With pages of 64 KiB 256 of them are 16 MiB; firmware reads a whole kernel.
TEST_F(ForeignClientTest, ReadIsAsLargeAsItsRoom) {
  constexpr size_t kBytes = (size_t{5} << 20) + 11;
  WriteHost("file", Pattern(kBytes, 3));
  ASSERT_NO_FATAL_FAILURE(Begin());
  const NodeId file = Node(kRoot, "file");
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(file, O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const vmm::GuestBuffer room, front_end().memory().Allocate(6 << 20));
  ASSERT_OK_AND_ASSIGN(const size_t done, fuse().Read(file, HandleOf(opened), 0, room));
  ASSERT_EQ(done, kBytes);
  EXPECT_EQ(std::memcmp(room.bytes.data(), ReadHost("file").data(), kBytes), 0);
}

}  // namespace
}  // namespace postern
