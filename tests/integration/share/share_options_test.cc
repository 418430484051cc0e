// What the options make of the share, seen through the whole daemon.
#include <fcntl.h>
#include <linux/xattr.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::Credentials;
using vmm::HandleOf;
using vmm::NodeOf;

constexpr Credentials kUser{.uid = GuestUid(1234), .gid = GuestGid(5678)};

class ShareOptionsTest : public ShareFixture {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to act for others";
    ASSERT_NO_FATAL_FAILURE(ShareFixture::SetUp());
  }
  // Not even started if skipped.
  void TearDown() override {
    if (daemon_) ShareFixture::TearDown();
  }
  void StartWith(std::vector<std::string> options) {
    ASSERT_NO_FATAL_FAILURE(Start({.daemon_options = std::move(options)}));
  }
  NodeId Node(std::string_view name) {
    const auto entry = fuse().Lookup(kRoot, name);
    EXPECT_EQ(entry.errno_value(), 0) << name;
    return entry.ok() ? NodeOf(*entry) : NodeId(0);
  }
  std::string HostXattr(std::string_view file, const char* name) {
    char value[256];
    const ssize_t size = lgetxattr(Host(file).c_str(), name, value, sizeof(value));
    return size < 0 ? "none" : std::string(value, static_cast<size_t>(size));
  }
  void SetHostXattr(std::string_view file, const char* name, std::string_view value) {
    ASSERT_EQ(lsetxattr(Host(file).c_str(), name, value.data(), value.size(), 0), 0);
  }
};

// ---- extended attributes ----

TEST_F(ShareOptionsTest, ExtendedAttributesAreUnknownByDefault) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  WriteHost("file", "text");
  const NodeId file = Node("file");
  EXPECT_ERRNO(fuse().Setxattr(file, "user.a", "1"), ENOSYS);
  EXPECT_ERRNO(fuse().Getxattr(file, "user.a"), ENOSYS);
  EXPECT_ERRNO(fuse().Listxattr(file), ENOSYS);
  EXPECT_ERRNO(fuse().Removexattr(file, "user.a"), ENOSYS);
  EXPECT_EQ(HostXattr("file", "user.a"), "none");
}

TEST_F(ShareOptionsTest, ExtendedAttributesOfFilesAndDirectories) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--xattr"}));
  WriteHost("file", "text");
  MakeHostDirectory("directory");
  for (const char* name : {"file", "directory"}) {
    const NodeId node = Node(name);
    EXPECT_OK(fuse().Setxattr(node, "user.a", "value"));
    EXPECT_EQ(HostXattr(name, "user.a"), "value");
    ASSERT_OK_AND_ASSIGN(const uint32_t size, fuse().GetxattrSize(node, "user.a"));
    EXPECT_EQ(size, 5u);
    EXPECT_ERRNO(fuse().Getxattr(node, "user.a", 4), ERANGE);
    ASSERT_OK_AND_ASSIGN(const std::string value, fuse().Getxattr(node, "user.a"));
    EXPECT_EQ(value, "value");
    ASSERT_OK_AND_ASSIGN(const std::string names, fuse().Listxattr(node));
    EXPECT_EQ(names, std::string("user.a\0", 7));
    EXPECT_OK(fuse().Removexattr(node, "user.a"));
    EXPECT_ERRNO(fuse().Getxattr(node, "user.a"), ENODATA);
  }
}

TEST_F(ShareOptionsTest, ExtendedAttributesOfSpecialFilesAnswerAsLocally) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--xattr"}));
  WriteHost("target", "text");
  ASSERT_EQ(symlink("target", Host("link").c_str()), 0);
  ASSERT_EQ(mkfifo(Host("fifo").c_str(), 0644), 0);
  SetHostXattr("link", "trusted.a", "link's");
  SetHostXattr("fifo", "trusted.a", "fifo's");
  for (const char* name : {"link", "fifo"}) {
    const NodeId node = Node(name);
    EXPECT_ERRNO(fuse().Setxattr(node, "user.a", "1"), EPERM) << name;
    EXPECT_ERRNO(fuse().Getxattr(node, "user.a"), ENODATA) << name;
    EXPECT_ERRNO(fuse().Getxattr(node, "unknown.a"), EOPNOTSUPP) << name;
  }
  EXPECT_EQ(HostXattr("target", "user.a"), "none");
}

TEST_F(ShareOptionsTest, ExtendedAttributesNeedTheDaemonsCapabilities) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--xattr", "--modcaps=+sys_admin"}));
  ASSERT_EQ(symlink("target", Host("link").c_str()), 0);
  EXPECT_OK(fuse().Setxattr(Node("link"), "trusted.a", "1"));
  EXPECT_EQ(HostXattr("link", "trusted.a"), "1");
}

TEST_F(ShareOptionsTest, TrustedAttributesAreRefusedWithoutSysAdmin) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--xattr"}));
  WriteHost("file", "text");
  EXPECT_ERRNO(fuse().Setxattr(Node("file"), "trusted.a", "1"), EPERM);
}

TEST_F(ShareOptionsTest, ExtendedAttributesAreMapped) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--xattrmap=:map::user.virtiofs.:"}));
  WriteHost("file", "text");
  SetHostXattr("file", "user.hosts", "1");
  const NodeId file = Node("file");
  EXPECT_OK(fuse().Setxattr(file, "trusted.a", "1"));
  EXPECT_EQ(HostXattr("file", "user.virtiofs.trusted.a"), "1");
  ASSERT_OK_AND_ASSIGN(const std::string names, fuse().Listxattr(file));
  EXPECT_EQ(names, std::string("trusted.a\0", 10));
  EXPECT_ERRNO(fuse().Getxattr(file, "user.hosts"), ENODATA);
}

// ---- ACLs ----

// Owner, group and others rwx, group 2345 r-x.
std::string Acl() {
  using namespace std::string_literals;
  return "\2\0\0\0"
         "\1\0\7\0\xff\xff\xff\xff"
         "\4\0\7\0\xff\xff\xff\xff"
         "\x8\0\5\0\x29\x09\0\0"
         "\x10\0\7\0\xff\xff\xff\xff"
         "\x20\0\7\0\xff\xff\xff\xff"s;
}

TEST_F(ShareOptionsTest, AclsAreKeptByTheHost) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--posix-acl"}));
  WriteHost("file", "text");
  EXPECT_OK(fuse().Setxattr(Node("file"), XATTR_NAME_POSIX_ACL_ACCESS, Acl()));
  EXPECT_EQ(HostXattr("file", XATTR_NAME_POSIX_ACL_ACCESS), Acl());
  ASSERT_OK_AND_ASSIGN(const std::string value,
                       fuse().Getxattr(Node("file"), XATTR_NAME_POSIX_ACL_ACCESS));
  EXPECT_EQ(value, Acl());
}

TEST_F(ShareOptionsTest, AclTakesTheSetGidBitOnlyIfAsked) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--posix-acl"}));
  WriteHost("file", "text");
  ASSERT_EQ(chmod(Host("file").c_str(), 02755), 0);
  EXPECT_OK(fuse().Setxattr(Node("file"), XATTR_NAME_POSIX_ACL_ACCESS, Acl()));
  EXPECT_EQ(StatHost("file").st_mode & 07000, 02000u);
  EXPECT_OK(fuse().Setxattr(Node("file"), XATTR_NAME_POSIX_ACL_ACCESS, Acl(),
                            {.setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID}));
  EXPECT_EQ(StatHost("file").st_mode & 07000, 0u);
}

TEST_F(ShareOptionsTest, AclsAreHiddenWithoutTheOption) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--xattr"}));
  WriteHost("file", "text");
  SetHostXattr("file", XATTR_NAME_POSIX_ACL_ACCESS, Acl());
  EXPECT_ERRNO(fuse().Getxattr(Node("file"), XATTR_NAME_POSIX_ACL_ACCESS), EOPNOTSUPP);
  ASSERT_OK_AND_ASSIGN(const std::string names, fuse().Listxattr(Node("file")));
  EXPECT_EQ(names, "");
}

TEST_F(ShareOptionsTest, UmaskIsTheHostsToApplyWithAcls) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--posix-acl"}));
  EXPECT_OK(fuse().Mkdir(kRoot, "directory", 0777, 027));
  EXPECT_EQ(StatHost("directory").st_mode & 07777, 0750u);
  EXPECT_OK(fuse().Create(kRoot, "file", O_RDWR, 0777, 077));
  EXPECT_EQ(StatHost("file").st_mode & 07777, 0700u);
  EXPECT_OK(fuse().Mknod(kRoot, "fifo", S_IFIFO | 0777, 0, 0177));
  EXPECT_EQ(StatHost("fifo").st_mode & 07777, 0600u);
}

TEST_F(ShareOptionsTest, DefaultAclTakesThePlaceOfTheUmask) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--posix-acl"}));
  EXPECT_OK(fuse().Setxattr(kRoot, XATTR_NAME_POSIX_ACL_DEFAULT, Acl()));
  EXPECT_OK(fuse().Mkdir(kRoot, "directory", 0777, 077));
  EXPECT_EQ(StatHost("directory").st_mode & 07777, 0777u);
  EXPECT_EQ(HostXattr("directory", XATTR_NAME_POSIX_ACL_DEFAULT), Acl());
}

TEST_F(ShareOptionsTest, UmaskIsTheGuestsWithoutAcls) {
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  EXPECT_OK(fuse().Mkdir(kRoot, "directory", 0777, 027));
  EXPECT_EQ(StatHost("directory").st_mode & 07777, 0777u);
}

// ---- translated ids ----

TEST_F(ShareOptionsTest, IdsAreTranslatedBothWays) {
  ASSERT_NO_FATAL_FAILURE(
      StartWith({"--translate-uid=map:0:100000:2000", "--translate-gid=map:0:200000:9000",
                 "--translate-uid=forbid-guest:3000:1"}));
  fuse().set_credentials(kUser);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out made, fuse().Mkdir(kRoot, "directory"));
  EXPECT_EQ(made.attr.uid, 1234u);
  EXPECT_EQ(made.attr.gid, 5678u);
  EXPECT_EQ(StatHost("directory").st_uid, 101234u);
  EXPECT_EQ(StatHost("directory").st_gid, 205678u);
  fuse_setattr_in owner{};
  owner.valid = FATTR_UID | FATTR_GID;
  owner.uid = 7;
  owner.gid = 8;
  ASSERT_OK_AND_ASSIGN(const fuse_attr changed, fuse().Setattr(NodeOf(made), owner));
  EXPECT_EQ(changed.uid, 7u);
  EXPECT_EQ(StatHost("directory").st_uid, 100007u);
  EXPECT_EQ(StatHost("directory").st_gid, 200008u);
  fuse().set_credentials({.uid = GuestUid(3000), .gid = GuestGid(0)});
  EXPECT_ERRNO(fuse().Mkdir(kRoot, "forbidden"), EIO);
}

// ---- read-only ----

TEST_F(ShareOptionsTest, ReadonlyShareIsReadAndNothingElse) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--readonly", "--xattr"}));
  WriteHost("file", "text");
  const NodeId file = Node("file");
  EXPECT_ERRNO(fuse().Mkdir(kRoot, "x"), EROFS);
  EXPECT_ERRNO(fuse().Mknod(kRoot, "x", S_IFREG | 0644), EROFS);
  EXPECT_ERRNO(fuse().Symlink(kRoot, "x", "y"), EROFS);
  EXPECT_ERRNO(fuse().Link(file, kRoot, "x"), EROFS);
  EXPECT_ERRNO(fuse().Unlink(kRoot, "file"), EROFS);
  EXPECT_ERRNO(fuse().Rmdir(kRoot, "file"), EROFS);
  EXPECT_ERRNO(fuse().Rename(kRoot, "file", kRoot, "x"), EROFS);
  fuse_setattr_in mode{};
  mode.valid = FATTR_MODE;
  EXPECT_ERRNO(fuse().Setattr(file, mode), EROFS);
  EXPECT_ERRNO(fuse().Setxattr(file, "user.a", "1"), EROFS);
  EXPECT_ERRNO(fuse().Removexattr(file, "user.a"), EROFS);
  EXPECT_ERRNO(fuse().Create(kRoot, "x", O_RDWR), EROFS);
  EXPECT_ERRNO(fuse().Open(file, O_RDWR), EROFS);
  EXPECT_ERRNO(fuse().Open(file, O_RDONLY | O_TRUNC), EINVAL);
  EXPECT_ERRNO(fuse().Access(file, W_OK), EROFS);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(file, O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const std::string text, fuse().ReadString(file, HandleOf(opened), 0, 100));
  EXPECT_EQ(text, "text");
  EXPECT_ERRNO(fuse().WriteString(file, HandleOf(opened), 0, "x"), EROFS);
  EXPECT_ERRNO(fuse().Fallocate(file, HandleOf(opened), 0, 10, 0), EROFS);
  EXPECT_EQ(ReadHost("file"), "text");
}

// ---- files without a name ----

TEST_F(ShareOptionsTest, TemporaryFileGetsANameByLink) {
  POSTERN_ONLY("they don't know TMPFILE");
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  fuse().set_credentials(kUser);
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile made, fuse().Tmpfile(kRoot, O_RDWR, 0640));
  const NodeId node = NodeOf(made.entry);
  EXPECT_EQ(made.entry.attr.nlink, 0u);
  ASSERT_OK_AND_ASSIGN(const size_t written,
                       fuse().WriteString(node, HandleOf(made.opened), 0, "text"));
  EXPECT_EQ(written, 4u);
  EXPECT_OK(fuse().Link(node, kRoot, "named"));
  EXPECT_EQ(ReadHost("named"), "text");
  EXPECT_EQ(StatHost("named").st_uid, 1234u);
  EXPECT_EQ(StatHost("named").st_mode & 07777, 0640u);
}

TEST_F(ShareOptionsTest, ExclusiveTemporaryFileGetsNone) {
  POSTERN_ONLY("they don't know TMPFILE");
  ASSERT_NO_FATAL_FAILURE(StartWith({}));
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile made, fuse().Tmpfile(kRoot, O_RDWR | O_EXCL));
  EXPECT_ERRNO(fuse().Link(NodeOf(made.entry), kRoot, "named"), ENOENT);
}

// ---- security labels ----

TEST_F(ShareOptionsTest, NewObjectsGetTheLabelThatTheGuestSends) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--security-label", "--modcaps=+sys_admin"}));
  Credentials labelled;
  labelled.security_contexts = {{{.name = "security.test", .value = "label"}}};
  fuse().set_credentials(labelled);
  EXPECT_OK(fuse().Mkdir(kRoot, "directory"));
  EXPECT_OK(fuse().Create(kRoot, "file", O_RDWR));
  EXPECT_OK(fuse().Symlink(kRoot, "link", "target"));
  EXPECT_OK(fuse().Mknod(kRoot, "fifo", S_IFIFO | 0644));
  for (const char* name : {"directory", "file", "link", "fifo"}) {
    EXPECT_EQ(HostXattr(name, "security.test"), "label") << name;
  }
}

TEST_F(ShareOptionsTest, ObjectThatCannotBeLabelledIsNotMade) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--security-label"}));
  Credentials labelled;
  labelled.security_contexts = {{{.name = "security.test", .value = "label"}}};
  fuse().set_credentials(labelled);
  EXPECT_ERRNO(fuse().Mkdir(kRoot, "directory"), EPERM) << "without CAP_SYS_ADMIN";
  EXPECT_ERRNO(fuse().Create(kRoot, "file", O_RDWR), EPERM);
  EXPECT_FALSE(HostExists("directory"));
  EXPECT_FALSE(HostExists("file"));
}

// ---- set-id bits ----

TEST_F(ShareOptionsTest, WriteKeepsSetUidUnlessTheGuestWantsItGone) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"--killpriv-v2"}));
  WriteHost("file", "text");
  ASSERT_EQ(chmod(Host("file").c_str(), 06755), 0);
  const NodeId file = Node("file");
  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(file, O_RDWR));
  EXPECT_OK(fuse().WriteString(file, HandleOf(opened), 0, "TE"));
  EXPECT_EQ(ReadHost("file"), "TExt");
  EXPECT_EQ(StatHost("file").st_mode & 07777, 06755u);
  EXPECT_OK(fuse().WriteString(file, HandleOf(opened), 2, "XT",
                               {.write_flags = FUSE_WRITE_KILL_SUIDGID}));
  EXPECT_EQ(ReadHost("file"), "TEXT");
  EXPECT_EQ(StatHost("file").st_mode & 07777, 0755u);
}

}  // namespace
}  // namespace postern
