// The guest's umask, which the host applies if ACLs are served, and default ACLs.
#include <linux/xattr.h>
#include <sys/xattr.h>

#include <memory>
#include <string>
#include <thread>

#include "common/scoped_umask.h"
#include "tests/unit/broker/acl_bytes.h"
#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

class UmaskTest : public FilesystemTest {
 protected:
  void StartWithAcls(bool negotiated, size_t descriptors = kDescriptors) {
    FilesystemOptions options;
    options.xattr = true;
    options.posix_acl = true;
    StartFilesystem(options, {.posix_acl = negotiated}, descriptors);
  }
  mode_t Permissions(const std::string& name) { return share_.Stat(name).st_mode & 07777; }

  // Makes one object of each kind with mode 0777 and this umask.
  void MakeAll(uint32_t umask) {
    rpc::Request directory = requests::MakeDirectory("directory", 0777);
    directory.mutable_make_directory()->set_umask(umask);
    ASSERT_EQ(Run(directory), 0);
    rpc::Request node = requests::MakeNode("node", S_IFIFO | 0777);
    node.mutable_make_node()->set_umask(umask);
    ASSERT_EQ(Run(node), 0);
    rpc::Request file = requests::Create("file", O_RDWR, 0777);
    file.mutable_create()->set_umask(umask);
    ASSERT_EQ(Run(file), 0);
    rpc::Request temporary = requests::CreateTemporary(O_RDWR, 0777);
    temporary.mutable_create_temporary_file()->set_umask(umask);
    ASSERT_EQ(Run(temporary), 0);
    temporary_mode_ = reply_.created().entry().attributes().mode() & 07777;
  }
  uint32_t temporary_mode_ = 0;
};

TEST_F(UmaskTest, AppliesToAllThatIsMade) {
  StartWithAcls(true);
  MakeAll(027);
  EXPECT_EQ(Permissions("directory"), 0750u);
  EXPECT_EQ(Permissions("node"), 0750u);
  EXPECT_EQ(Permissions("file"), 0750u);
  EXPECT_EQ(temporary_mode_, 0750u);
}

TEST_F(UmaskTest, IsIgnoredIfTheGuestAppliesItsOwn) {
  StartWithAcls(false);
  MakeAll(027);
  EXPECT_EQ(Permissions("directory"), 0777u);
  EXPECT_EQ(Permissions("node"), 0777u);
  EXPECT_EQ(Permissions("file"), 0777u);
  EXPECT_EQ(temporary_mode_, 0777u);
}

TEST_F(UmaskTest, IsNotLeftBehind) {
  StartWithAcls(true);
  MakeAll(077);
  ASSERT_EQ(Run(requests::MakeDirectory("next", 0777)), 0);
  EXPECT_EQ(Permissions("next"), 0777u);
  EXPECT_EQ(umask(0), 0u);
}

TEST_F(UmaskTest, DefaultAclTakesItsPlace) {
  StartWithAcls(true);
  const std::string acl = AclForGroup(5);
  ASSERT_EQ(
      lsetxattr(share_.Path().c_str(), XATTR_NAME_POSIX_ACL_DEFAULT, acl.data(), acl.size(), 0), 0);
  MakeAll(077);
  EXPECT_EQ(Permissions("directory"), 0777u);
  EXPECT_EQ(Permissions("node"), 0777u);
  EXPECT_EQ(Permissions("file"), 0777u);
  EXPECT_EQ(temporary_mode_, 0777u);
  char inherited[200];
  EXPECT_EQ(lgetxattr(share_.Path("directory").c_str(), XATTR_NAME_POSIX_ACL_DEFAULT, inherited,
                      sizeof(inherited)),
            static_cast<ssize_t>(acl.size()));
}

TEST_F(UmaskTest, DefaultAclLimitsTheModeThatIsAskedFor) {
  StartWithAcls(true);
  const std::string acl = AclForGroup(5, 5);
  ASSERT_EQ(
      lsetxattr(share_.Path().c_str(), XATTR_NAME_POSIX_ACL_DEFAULT, acl.data(), acl.size(), 0), 0);
  MakeAll(0);
  EXPECT_EQ(Permissions("file"), 0555u);
}

TEST_F(UmaskTest, BelongsToOneThread) {
  StartWithAcls(true);
  const ScopedUmask mask(0777);
  mode_t other = 0;
  std::thread([&] {
    // A new thread shares with its maker until it has been given its own.
    const auto owner = MakeThreadStateOwn(filesystem_->proc_fd());
    ASSERT_TRUE(owner.ok() && *owner == ThreadStateOwner::kThread);
    other = umask(022);
  }).join();
  EXPECT_EQ(other, 0u);
  EXPECT_EQ(umask(0777), 0777u);
}

// Threads that a container keeps from having one each.
TEST_F(UmaskTest, SharedByThreadsIsEachRequestsOwnAllTheSame) {
  constexpr int kDirectories = 500;
  StartWithAcls(true, 3 * kDirectories);
  filesystem_->ShareUmask();
  // They share their maker's umask and with each other.
  const auto make = [this](const std::string& prefix, uint32_t umask) {
    const auto scratch = std::make_unique<OperationScratch>();
    OperationContext context{*filesystem_, *session_, *scratch};
    for (int i = 0; i < kDirectories; ++i) {
      rpc::Request request = requests::MakeDirectory(prefix + std::to_string(i), 0777);
      request.mutable_make_directory()->set_umask(umask);
      rpc::Reply reply;
      ASSERT_EQ(RunOperation(*FindOperation(request.operation_case()), context, request, reply)
                    .errno_value(),
                0);
    }
  };
  std::thread one(make, "open", 0);
  std::thread other(make, "closed", 077);
  one.join();
  other.join();
  for (int i = 0; i < kDirectories; ++i) {
    ASSERT_EQ(Permissions("open" + std::to_string(i)), 0777u) << i;
    ASSERT_EQ(Permissions("closed" + std::to_string(i)), 0700u) << i;
  }
}

}  // namespace
}  // namespace postern
