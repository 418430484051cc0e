// Objects that are made with a security label.
#include <linux/xattr.h>
#include <sys/xattr.h>

#include "tests/unit/broker/acl_bytes.h"
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"
#include "tests/unit/broker/xattr_rules.h"

namespace postern {
namespace {

// "security." needs CAP_SYS_ADMIN, and "trusted.", too.
class SecurityContextTest : public FilesystemTest {
 protected:
  void SetUp() override {
    FilesystemTest::SetUp();
    POSTERN_SKIP_UNLESS_ROOT();
    Start(XattrMap());
  }
  void Start(XattrMap map, bool enabled = true) {
    FilesystemOptions options;
    options.xattr = true;
    options.security_label = enabled;
    options.xattr_map = std::move(map);
    StartFilesystem(options);
  }

  template <typename Message>
  static void Label(Message& message, const std::string& name = "security.test",
                    const std::string& value = "label") {
    message.mutable_security_context()->set_name(name);
    message.mutable_security_context()->set_value(value);
  }
  static rpc::Request Directory(const std::string& name) {
    rpc::Request request = requests::MakeDirectory("new");
    Label(*request.mutable_make_directory(), name);
    return request;
  }
  static rpc::Request Fifo(const std::string& name) {
    rpc::Request request = requests::MakeNode("new", S_IFIFO | 0644);
    Label(*request.mutable_make_node(), name);
    return request;
  }
  static rpc::Request Plain(const std::string& name) {
    rpc::Request request = requests::MakeNode("new", 0644);
    Label(*request.mutable_make_node(), name);
    return request;
  }
  static rpc::Request Symlink(const std::string& name) {
    rpc::Request request = requests::Symlink("new", "nowhere");
    Label(*request.mutable_symlink(), name);
    return request;
  }
  static rpc::Request Create(const std::string& name, uint32_t flags = O_RDWR) {
    rpc::Request request = requests::Create("new", flags);
    Label(*request.mutable_create(), name);
    return request;
  }
  static rpc::Request Temporary(const std::string& name) {
    rpc::Request request = requests::CreateTemporary(O_RDWR);
    Label(*request.mutable_create_temporary_file(), name);
    return request;
  }

  std::string LabelOf(const std::string& file, const std::string& name = "security.test") {
    char value[100];
    const ssize_t size = lgetxattr(share_.Path(file).c_str(), name.c_str(), value, sizeof(value));
    return size < 0 ? "none" : std::string(value, static_cast<size_t>(size));
  }
  void ExpectLabelled(const rpc::Request& request) {
    EXPECT_EQ(Run(request), 0);
    EXPECT_EQ(LabelOf("new"), "label");
  }
  // No trace of the request is left.
  void ExpectNothingMade(const rpc::Request& request, int error) {
    const size_t used = filesystem_->budget().used();
    EXPECT_EQ(Run(request), error);
    EXPECT_FALSE(share_.Exists("new"));
    EXPECT_EQ(session_->inodes.size(), 0u);
    EXPECT_EQ(session_->open_files.size(), 0u);
    EXPECT_EQ(filesystem_->budget().used(), used);
  }
};

TEST_F(SecurityContextTest, DirectoryIsLabelled) { ExpectLabelled(Directory("security.test")); }
TEST_F(SecurityContextTest, FifoIsLabelled) { ExpectLabelled(Fifo("security.test")); }
TEST_F(SecurityContextTest, NodeWithoutATypeIsLabelled) { ExpectLabelled(Plain("security.test")); }
TEST_F(SecurityContextTest, SymlinkIsLabelledItself) { ExpectLabelled(Symlink("security.test")); }
TEST_F(SecurityContextTest, CreatedFileIsLabelled) { ExpectLabelled(Create("security.test")); }

TEST_F(SecurityContextTest, TemporaryFileIsLabelled) {
  EXPECT_EQ(Run(Temporary("security.test")), 0);
  char value[100];
  EXPECT_EQ(fgetxattr(context_->reply_file->fd(), "security.test", value, sizeof(value)), 5);
}

// Linux refuses a name without a known prefix with EOPNOTSUPP.
TEST_F(SecurityContextTest, WhatCannotBeLabelledIsNotMade) {
  ExpectNothingMade(Directory("unknown.test"), EOPNOTSUPP);
  ExpectNothingMade(Fifo("unknown.test"), EOPNOTSUPP);
  ExpectNothingMade(Plain("unknown.test"), EOPNOTSUPP);
  ExpectNothingMade(Symlink("unknown.test"), EOPNOTSUPP);
  ExpectNothingMade(Create("unknown.test"), EOPNOTSUPP);
  ExpectNothingMade(Temporary("unknown.test"), EOPNOTSUPP);
  ExpectNothingMade(Symlink("user.test"), EPERM);
}

TEST_F(SecurityContextTest, WhatCannotBeFoundAgainForItsLabelIsNotMade) {
  StartFilesystem(
      [] {
        FilesystemOptions options;
        options.security_label = true;
        return options;
      }(),
      {}, /*descriptors=*/0);
  ExpectNothingMade(Directory("security.test"), ENFILE);
}

TEST_F(SecurityContextTest, NameIsMapped) {
  Start(*MakeXattrMap({{config::XattrRule::TYPE_PREFIX, Scope::kAll, "security.", "trusted.v."},
                       {config::XattrRule::TYPE_OK, Scope::kAll, "", ""}}));
  EXPECT_EQ(Run(Directory("security.test")), 0);
  EXPECT_EQ(LabelOf("new", "trusted.v.security.test"), "label");
  EXPECT_EQ(LabelOf("new"), "none");
}

TEST_F(SecurityContextTest, ForbiddenNameMakesNothing) {
  Start(*MakeXattrMap({{config::XattrRule::TYPE_BAD, Scope::kAll, "security.", "security."},
                       {config::XattrRule::TYPE_OK, Scope::kAll, "", ""}}));
  ExpectNothingMade(Directory("security.test"), EPERM);
  ExpectNothingMade(Create("security.test"), EPERM);
}

// As by SETXATTR: by either name.
TEST_F(SecurityContextTest, AclThatWasNotNegotiatedMakesNothing) {
  for (const char* name : {XATTR_NAME_POSIX_ACL_ACCESS, XATTR_NAME_POSIX_ACL_DEFAULT}) {
    rpc::Request directory = Directory(name);
    Label(*directory.mutable_make_directory(), name, AclForGroup(7));
    ExpectNothingMade(directory, EOPNOTSUPP);
  }
  const auto with_acl = [](auto& message) {
    Label(message, XATTR_NAME_POSIX_ACL_ACCESS, AclForGroup(7));
  };
  rpc::Request fifo = Fifo(""), plain = Plain(""), create = Create(""), temporary = Temporary("");
  with_acl(*fifo.mutable_make_node());
  with_acl(*plain.mutable_make_node());
  with_acl(*create.mutable_create());
  with_acl(*temporary.mutable_create_temporary_file());
  for (const rpc::Request& request : {fifo, plain, create, temporary}) {
    ExpectNothingMade(request, EOPNOTSUPP);
  }
}

TEST_F(SecurityContextTest, AclByAMappedNameMakesNothing) {
  Start(*MakeXattrMap({{config::XattrRule::TYPE_PREFIX, Scope::kAll, "posix_acl_", "system."},
                       {config::XattrRule::TYPE_OK, Scope::kAll, "", ""}}));
  rpc::Request request = Directory("");
  Label(*request.mutable_make_directory(), "posix_acl_access", AclForGroup(7));
  ExpectNothingMade(request, EOPNOTSUPP);
}

TEST_F(SecurityContextTest, AclIsSetWhereAclsAreServed) {
  FilesystemOptions options;
  options.xattr = options.posix_acl = options.security_label = true;
  StartFilesystem(options, {.posix_acl = true});
  rpc::Request request = Directory("");
  Label(*request.mutable_make_directory(), XATTR_NAME_POSIX_ACL_ACCESS, AclForGroup(5));
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(LabelOf("new", XATTR_NAME_POSIX_ACL_ACCESS), AclForGroup(5));
}

TEST_F(SecurityContextTest, SwitchedOffMakesNothing) {
  Start(XattrMap(), /*enabled=*/false);
  ExpectNothingMade(Directory("security.test"), EOPNOTSUPP);
  ExpectNothingMade(Fifo("security.test"), EOPNOTSUPP);
  ExpectNothingMade(Symlink("security.test"), EOPNOTSUPP);
  ExpectNothingMade(Create("security.test"), EOPNOTSUPP);
  ExpectNothingMade(Temporary("security.test"), EOPNOTSUPP);
}

TEST_F(SecurityContextTest, FileThatExistsKeepsWhatItHas) {
  share_.Write("new", "text");
  EXPECT_EQ(Run(Create("security.test")), 0);
  EXPECT_EQ(LabelOf("new"), "none");
  EXPECT_EQ(Run(Create("unknown.test")), 0);
  EXPECT_EQ(share_.Read("new"), "text");
}

TEST_F(SecurityContextTest, ObjectOfAnUnprivilegedUserIsLabelled) {
  ASSERT_EQ(chmod(share_.Path().c_str(), 0777), 0);
  rpc::Request request = requests::MakeDirectory("new", 0700, {1234, 2345});
  Label(*request.mutable_make_directory());
  EXPECT_EQ(Run(request), 0);
  EXPECT_EQ(LabelOf("new"), "label");
  EXPECT_EQ(share_.Stat("new").st_uid, 1234u);
}

}  // namespace
}  // namespace postern
