#include "broker/operations/extended_attribute_operations.h"

#include <linux/capability.h>
#include <linux/xattr.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "tests/unit/broker/acl_bytes.h"
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/xattr_rules.h"

namespace postern {
namespace {

// VFS_CAP_REVISION_2, capability 0 permitted.
std::string FileCapability() {
  vfs_cap_data data{};
  data.magic_etc = VFS_CAP_REVISION_2;
  data.data[0].permitted = 1;
  return std::string(reinterpret_cast<const char*>(&data), XATTR_CAPS_SZ_2);
}

class ExtendedAttributeTest : public FilesystemTest {
 protected:
  void SetUp() override {
    FilesystemTest::SetUp();
    FilesystemOptions options;
    options.xattr = true;
    StartFilesystem(options);
  }
  void StartWithMap(XattrMap map) {
    FilesystemOptions options;
    options.xattr = true;
    options.xattr_map = std::move(map);
    StartFilesystem(options);
  }
  void StartWithAcls() {
    FilesystemOptions options;
    options.xattr = true;
    options.posix_acl = true;
    StartFilesystem(options, {.posix_acl = true});
  }

  int Set(uint64_t node, const std::string& name, const std::string& value, int flags = 0,
          bool kill_setgid = false) {
    rpc::Request request;
    rpc::SetExtendedAttributeRequest& set = *request.mutable_set_extended_attribute();
    set.set_node_id(node);
    set.set_name(name);
    set.set_value(value);
    set.set_flags(static_cast<uint32_t>(flags));
    set.set_kill_setgid(kill_setgid);
    return Run(request);
  }
  int Get(uint64_t node, const std::string& name, uint32_t size = 1000) {
    rpc::Request request;
    request.mutable_get_extended_attribute()->set_node_id(node);
    request.mutable_get_extended_attribute()->set_name(name);
    request.mutable_get_extended_attribute()->set_size(size);
    return Run(request);
  }
  int List(uint64_t node, uint32_t size = 1000) {
    rpc::Request request;
    request.mutable_list_extended_attributes()->set_node_id(node);
    request.mutable_list_extended_attributes()->set_size(size);
    return Run(request);
  }
  int Remove(uint64_t node, const std::string& name) {
    rpc::Request request;
    request.mutable_remove_extended_attribute()->set_node_id(node);
    request.mutable_remove_extended_attribute()->set_name(name);
    return Run(request);
  }
  const std::string& Value() { return reply_.extended_attribute().value(); }

  // The attribute as the host has it, or "(errno)".
  std::string OnHost(const std::string& file, const std::string& name) {
    char value[1000];
    const ssize_t size = lgetxattr(share_.Path(file).c_str(), name.c_str(), value, sizeof(value));
    if (size < 0) return "(" + std::to_string(errno) + ")";
    return std::string(value, static_cast<size_t>(size));
  }
  int SetOnHost(const std::string& file, const std::string& name, const std::string& value) {
    const int result =
        lsetxattr(share_.Path(file).c_str(), name.c_str(), value.data(), value.size(), 0);
    return result < 0 ? errno : 0;
  }
  // Makes an object of an S_IFMT type.
  void MakeOfType(const std::string& file, mode_t type) {
    const std::string path = share_.Path(file);
    switch (type) {
      case S_IFDIR:
        ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
        return;
      case S_IFLNK:
        ASSERT_EQ(symlink("nowhere", path.c_str()), 0);
        return;
      default:
        ASSERT_EQ(mknod(path.c_str(), type | 0644, makedev(1, 3)), 0);
    }
  }
};

TEST_F(ExtendedAttributeTest, IsSetReadListedAndRemoved) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Set(node, "user.a", std::string("1\0002", 3)), 0);
  EXPECT_EQ(OnHost("file", "user.a"), std::string("1\0002", 3));
  EXPECT_EQ(Get(node, "user.a"), 0);
  EXPECT_EQ(Value(), std::string("1\0002", 3));
  EXPECT_EQ(List(node), 0);
  EXPECT_EQ(Value(), std::string("user.a\0", 7));
  EXPECT_EQ(Remove(node, "user.a"), 0);
  EXPECT_EQ(Get(node, "user.a"), ENODATA);
  EXPECT_EQ(Remove(node, "user.a"), ENODATA);
  EXPECT_EQ(List(node), 0);
  EXPECT_EQ(Value(), "");
}

TEST_F(ExtendedAttributeTest, SizeZeroAsksForTheSizeAndTooSmallIsErange) {
  share_.Write("file");
  ASSERT_EQ(SetOnHost("file", "user.a", "12345"), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Get(node, "user.a", 0), 0);
  EXPECT_EQ(reply_.extended_attribute().size(), 5u);
  EXPECT_EQ(Value(), "");
  EXPECT_EQ(Get(node, "user.a", 4), ERANGE);
  EXPECT_EQ(Get(node, "user.a", 5), 0);
  EXPECT_EQ(reply_.extended_attribute().size(), 0u);
  EXPECT_EQ(List(node, 0), 0);
  EXPECT_EQ(reply_.extended_attribute().size(), 7u);
  EXPECT_EQ(List(node, 6), ERANGE);
  EXPECT_EQ(List(node, 7), 0);
}

TEST_F(ExtendedAttributeTest, EmptyValueIsAValue) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Set(node, "user.a", ""), 0);
  EXPECT_EQ(Get(node, "user.a"), 0);
  EXPECT_TRUE(reply_.has_extended_attribute());
  EXPECT_EQ(OnHost("file", "user.a"), "");
}

TEST_F(ExtendedAttributeTest, FlagsSayWhetherItMayExist) {
  share_.Write("file");
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Set(node, "user.a", "1", XATTR_REPLACE), ENODATA);
  EXPECT_EQ(Set(node, "user.a", "1", XATTR_CREATE), 0);
  EXPECT_EQ(Set(node, "user.a", "2", XATTR_CREATE), EEXIST);
  EXPECT_EQ(Set(node, "user.a", "2", XATTR_REPLACE), 0);
  EXPECT_EQ(Set(node, "user.a", "2", 0x80), EINVAL);
}

class ExtendedAttributeOfTypeTest : public ExtendedAttributeTest,
                                    public testing::WithParamInterface<mode_t> {
 protected:
  void SetUp() override {
    ExtendedAttributeTest::SetUp();
    POSTERN_SKIP_UNLESS_ROOT();
    MakeOfType("object", GetParam());
  }
  // Set, get and remove of one name by the operations answer what they answer to a local process.
  void ExpectAsLocally(const std::string& name, const std::string& value) {
    const std::string path = share_.Path("object");
    const uint64_t node = Lookup("object");
    char room[1000];
    const auto local = [](auto result) { return result < 0 ? errno : 0; };
    const auto set_locally = [&] {
      return local(lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0));
    };
    EXPECT_EQ(Get(node, name), local(lgetxattr(path.c_str(), name.c_str(), room, sizeof(room))));
    EXPECT_EQ(Set(node, name, value), set_locally());
    EXPECT_EQ(Get(node, name), local(lgetxattr(path.c_str(), name.c_str(), room, sizeof(room))));
    const ssize_t listed = llistxattr(path.c_str(), room, sizeof(room));
    EXPECT_EQ(List(node), local(listed));
    EXPECT_EQ(Value(), std::string(room, static_cast<size_t>(listed)));
    const int removed = Remove(node, name);
    set_locally();
    EXPECT_EQ(removed, local(lremovexattr(path.c_str(), name.c_str())));
    EXPECT_EQ(Remove(node, name), local(lremovexattr(path.c_str(), name.c_str())));
  }
};

TEST_P(ExtendedAttributeOfTypeTest, AnswersAsToALocalProcess) {
  ExpectAsLocally("user.a", "value");
  ExpectAsLocally("trusted.a", "value");
  ExpectAsLocally("security.a", "value");
  ExpectAsLocally("security.capability", FileCapability());
  ExpectAsLocally("security.capability", "none");
  ExpectAsLocally("unknown.a", "value");
  ExpectAsLocally("user.", "value");
}

TEST_P(ExtendedAttributeOfTypeTest, AnswersAsToALocalProcessForAcls) {
  StartWithAcls();
  ExpectAsLocally(XATTR_NAME_POSIX_ACL_ACCESS, AclForGroup(5));
  ExpectAsLocally(XATTR_NAME_POSIX_ACL_DEFAULT, AclForGroup(5));
  ExpectAsLocally(XATTR_NAME_POSIX_ACL_ACCESS, "none");
}

INSTANTIATE_TEST_SUITE_P(Types, ExtendedAttributeOfTypeTest,
                         testing::Values(S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR,
                                         S_IFBLK));

TEST_F(ExtendedAttributeTest, OfASymlinkIsNotThatOfItsTarget) {
  POSTERN_SKIP_UNLESS_ROOT();
  share_.Write("file");
  ASSERT_EQ(symlink("file", share_.Path("link").c_str()), 0);
  EXPECT_EQ(Set(Lookup("link"), "trusted.a", "1"), 0);
  EXPECT_EQ(OnHost("link", "trusted.a"), "1");
  EXPECT_EQ(OnHost("file", "trusted.a"), "(" + std::to_string(ENODATA) + ")");
}

TEST_F(ExtendedAttributeTest, OfADeletedFileIsStillThere) {
  share_.Write("file");
  ASSERT_EQ(SetOnHost("file", "user.a", "1"), 0);
  const uint64_t node = Lookup("file");
  ASSERT_EQ(unlink(share_.Path("file").c_str()), 0);
  EXPECT_EQ(Get(node, "user.a"), 0);
  EXPECT_EQ(Value(), "1");
}

TEST_F(ExtendedAttributeTest, FileNamedAsADescriptorIsNotMistakenForIt) {
  share_.Write("file");
  for (int i = 0; i < 50; ++i) share_.Write(std::to_string(i));
  EXPECT_EQ(Set(Lookup("file"), "user.a", "1"), 0);
  EXPECT_EQ(OnHost("file", "user.a"), "1");
  for (int i = 0; i < 50; ++i) EXPECT_NE(OnHost(std::to_string(i), "user.a"), "1") << i;
}

TEST_F(ExtendedAttributeTest, UnknownNodeIsEbadf) {
  EXPECT_EQ(Get(999, "user.a"), EBADF);
  EXPECT_EQ(Set(999, "user.a", "1"), EBADF);
  EXPECT_EQ(List(999), EBADF);
  EXPECT_EQ(Remove(999, "user.a"), EBADF);
}

TEST_F(ExtendedAttributeTest, SwitchedOffIsNotSupportedAndTouchesNothing) {
  StartFilesystem(FilesystemOptions());
  share_.Write("file");
  ASSERT_EQ(SetOnHost("file", "user.a", "1"), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Get(node, "user.a"), EOPNOTSUPP);
  EXPECT_EQ(Set(node, "user.a", "2"), EOPNOTSUPP);
  EXPECT_EQ(List(node), EOPNOTSUPP);
  EXPECT_EQ(Remove(node, "user.a"), EOPNOTSUPP);
  EXPECT_EQ(OnHost("file", "user.a"), "1");
}

TEST_F(ExtendedAttributeTest, NamesAreMappedBothWays) {
  StartWithMap(AllBelowUser());
  share_.Write("file");
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Set(node, "trusted.a", "1"), 0);
  EXPECT_EQ(OnHost("file", "user.virtiofs.trusted.a"), "1");
  EXPECT_EQ(Get(node, "trusted.a"), 0);
  EXPECT_EQ(Value(), "1");
  ASSERT_EQ(SetOnHost("file", "user.hosts", "1"), 0);
  EXPECT_EQ(List(node), 0);
  EXPECT_EQ(Value(), std::string("trusted.a\0", 10));
  EXPECT_EQ(Get(node, "user.hosts"), ENODATA);
  EXPECT_EQ(Remove(node, "trusted.a"), 0);
  EXPECT_EQ(OnHost("file", "user.virtiofs.trusted.a"), "(" + std::to_string(ENODATA) + ")");
}

TEST_F(ExtendedAttributeTest, ListsSizeIsEnoughForTheMappedList) {
  StartWithMap(AllBelowUser());
  share_.Write("file");
  ASSERT_EQ(SetOnHost("file", "user.hosts", "1"), 0);
  ASSERT_EQ(SetOnHost("file", "user.virtiofs.user.a", "1"), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(List(node, 0), 0);
  const uint32_t size = reply_.extended_attribute().size();
  EXPECT_EQ(List(node, size), 0);
  EXPECT_EQ(Value(), std::string("user.a\0", 7));
}

TEST_F(ExtendedAttributeTest, BadNamesAreForbiddenAbsentAndHidden) {
  StartWithMap(TrustedBelowUser());
  share_.Write("file");
  ASSERT_EQ(SetOnHost("file", "user.virtiofs.x", "1"), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Set(node, "user.virtiofs.x", "2"), EPERM);
  EXPECT_EQ(Remove(node, "user.virtiofs.x"), EPERM);
  EXPECT_EQ(Get(node, "user.virtiofs.x"), ENODATA);
  EXPECT_EQ(OnHost("file", "user.virtiofs.x"), "1");
}

TEST_F(ExtendedAttributeTest, UnsupportedNamesAreNotSupported) {
  StartWithMap(
      *MakeXattrMap({{config::XattrRule::TYPE_UNSUPPORTED, Scope::kAll, "user.x", "user.x"},
                     {config::XattrRule::TYPE_OK, Scope::kAll, "", ""}}));
  share_.Write("file");
  ASSERT_EQ(SetOnHost("file", "user.x", "1"), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Set(node, "user.x", "2"), ENOTSUP);
  EXPECT_EQ(Get(node, "user.x"), ENOTSUP);
  EXPECT_EQ(Remove(node, "user.x"), ENOTSUP);
  EXPECT_EQ(List(node), 0);
  EXPECT_EQ(Value(), "");
}

TEST_F(ExtendedAttributeTest, AclsThatWereNotNegotiatedAreNotSupportedAndHidden) {
  share_.Write("file");
  ASSERT_EQ(SetOnHost("file", XATTR_NAME_POSIX_ACL_ACCESS, AclForGroup(5)), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Get(node, XATTR_NAME_POSIX_ACL_ACCESS), ENOTSUP);
  EXPECT_EQ(Set(node, XATTR_NAME_POSIX_ACL_ACCESS, AclForGroup(7)), ENOTSUP);
  EXPECT_EQ(Remove(node, XATTR_NAME_POSIX_ACL_ACCESS), ENOTSUP);
  EXPECT_EQ(Get(node, XATTR_NAME_POSIX_ACL_DEFAULT), ENOTSUP);
  EXPECT_EQ(OnHost("file", XATTR_NAME_POSIX_ACL_ACCESS), AclForGroup(5));
  EXPECT_EQ(List(node), 0);
  EXPECT_EQ(Value(), "");
  EXPECT_EQ(Get(node, "system."), EOPNOTSUPP) << "as the host says to a name that is no name";
}

TEST_F(ExtendedAttributeTest, AclsNeedTheConfigurationAsWellAsTheGuest) {
  FilesystemOptions options;
  options.xattr = true;
  share_.Write("file");
  StartFilesystem(options, {.posix_acl = true});
  EXPECT_EQ(Get(Lookup("file"), XATTR_NAME_POSIX_ACL_ACCESS), ENOTSUP);
  options.posix_acl = true;
  StartFilesystem(options, {.posix_acl = false});
  EXPECT_EQ(Get(Lookup("file"), XATTR_NAME_POSIX_ACL_ACCESS), ENOTSUP);
  StartFilesystem(options, {.posix_acl = true});
  EXPECT_EQ(Get(Lookup("file"), XATTR_NAME_POSIX_ACL_ACCESS), ENODATA);
}

TEST_F(ExtendedAttributeTest, NegotiatedAclsAreTheHosts) {
  StartWithAcls();
  share_.Write("file");
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Set(node, XATTR_NAME_POSIX_ACL_ACCESS, AclForGroup(5)), 0);
  EXPECT_EQ(OnHost("file", XATTR_NAME_POSIX_ACL_ACCESS), AclForGroup(5));
  EXPECT_EQ(List(node), 0);
  EXPECT_EQ(Value(), std::string(XATTR_NAME_POSIX_ACL_ACCESS) + '\0');
  EXPECT_EQ(Remove(node, XATTR_NAME_POSIX_ACL_ACCESS), 0);
}

TEST_F(ExtendedAttributeTest, AclClearsSetGidOnlyIfAsked) {
  StartWithAcls();
  share_.Write("file");
  ASSERT_EQ(chmod(share_.Path("file").c_str(), 06755), 0);
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Set(node, XATTR_NAME_POSIX_ACL_ACCESS, AclForGroup(5)), 0);
  EXPECT_EQ(share_.Stat("file").st_mode & 07000, 06000u);
  EXPECT_EQ(Set(node, "user.a", "1", 0, /*kill_setgid=*/true), 0);
  EXPECT_EQ(share_.Stat("file").st_mode & 07000, 06000u) << "not an ACL";
  EXPECT_EQ(Set(node, XATTR_NAME_POSIX_ACL_ACCESS, AclForGroup(7), 0, /*kill_setgid=*/true), 0);
  EXPECT_EQ(share_.Stat("file").st_mode & 07000, 04000u);
}

TEST_F(ExtendedAttributeTest, RemappedCapabilityGoesWhenAnotherAttributeIsSet) {
  StartWithMap(AllBelowUser());
  share_.Write("file");
  const uint64_t node = Lookup("file");
  const std::string kept = "user.virtiofs.security.capability";
  EXPECT_EQ(Set(node, "security.capability", "1"), 0);
  EXPECT_EQ(OnHost("file", kept), "1");
  EXPECT_EQ(Set(node, "security.capability", "2", XATTR_REPLACE), 0);
  EXPECT_EQ(OnHost("file", kept), "2");
  EXPECT_EQ(Set(node, "user.a", "1"), 0);
  EXPECT_EQ(OnHost("file", kept), "(" + std::to_string(ENODATA) + ")");
}

}  // namespace
}  // namespace postern
