// The same work by the real three processes in each of their jails, as root and as a plain user.
#include <unistd.h>

#include <filesystem>

#include "tests/integration/share/share_fixture.h"

namespace postern {
namespace {

using vmm::HandleOf;
using vmm::NodeOf;

// Ids that nobody needs to have.
constexpr uid_t kPlainUser = 54321;
constexpr uid_t kOtherUser = 54322;

struct Jail {
  const char* name;
  const char* sandbox;
  bool plain_user;
};

class SandboxModeTest : public ShareFixture, public testing::WithParamInterface<Jail> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can start the daemon as several users";
    ShareFixture::SetUp();
    Setup setup;
    setup.daemon_options = {std::string("--sandbox=") + GetParam().sandbox};
    if (GetParam().plain_user) {
      ASSERT_EQ(chown(temp_.path().c_str(), kPlainUser, kPlainUser), 0);
      ASSERT_EQ(chown(share_.c_str(), kPlainUser, kPlainUser), 0);
      const std::string id = std::to_string(kPlainUser);
      setup.daemon_command = {"/usr/bin/setpriv", "--reuid=" + id, "--regid=" + id,
                              "--clear-groups", CopyOfDaemon()};
    }
    ASSERT_NO_FATAL_FAILURE(Start(setup));
  }
  // Not even started if skipped.
  void TearDown() override {
    if (daemon_) ShareFixture::TearDown();
  }

  // The build directory may lie where a plain user can't reach it. The programs find each other in
  // this layout.
  std::string CopyOfDaemon() const {
    const auto build = std::filesystem::path(DaemonCommand().at(0)).parent_path().parent_path();
    for (const char* program :
         {"sandbox/posternd", "broker/postern-broker", "worker/postern-worker"}) {
      const auto copy = std::filesystem::path(temp_.Path("programs")) / program;
      std::filesystem::create_directories(copy.parent_path());
      std::filesystem::copy_file(build / program, copy);
    }
    return temp_.Path("programs/sandbox/posternd");
  }
};

INSTANTIATE_TEST_SUITE_P(, SandboxModeTest,
                         testing::Values(Jail{"RootNamespace", "namespace", false},
                                         Jail{"RootChroot", "chroot", false},
                                         Jail{"RootNone", "none", false},
                                         Jail{"UserNamespace", "namespace", true},
                                         Jail{"UserNone", "none", true}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_P(SandboxModeTest, FilesAndDirectoriesWork) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out directory, fuse().Mkdir(kRoot, "directory"));
  ASSERT_OK_AND_ASSIGN(const vmm::CreatedFile created,
                       fuse().Create(NodeOf(directory), "file", O_RDWR));
  const std::string data = Pattern(300'000, 7);
  EXPECT_OK(fuse().WriteString(NodeOf(created.entry), HandleOf(created.opened), 0, data));
  EXPECT_OK(fuse().Fsync(NodeOf(created.entry), HandleOf(created.opened)));
  EXPECT_TRUE(ReadHost("directory/file") == data);
  EXPECT_OK(fuse().Release(NodeOf(created.entry), HandleOf(created.opened)));
  EXPECT_OK(fuse().Rename(NodeOf(directory), "file", kRoot, "moved"));
  EXPECT_OK(fuse().Link(NodeOf(created.entry), kRoot, "linked"));
  EXPECT_OK(fuse().Symlink(kRoot, "symlink", "moved"));
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out symlink, fuse().Lookup(kRoot, "symlink"));
  EXPECT_EQ(*fuse().Readlink(NodeOf(symlink)), "moved");

  ASSERT_OK_AND_ASSIGN(const fuse_open_out opened, fuse().Open(NodeOf(created.entry), O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const std::string back,
                       fuse().ReadString(NodeOf(created.entry), HandleOf(opened), 0, data.size()));
  EXPECT_TRUE(back == data);
  ASSERT_OK_AND_ASSIGN(const fuse_open_out listing, fuse().Opendir(kRoot));
  ASSERT_OK_AND_ASSIGN(const auto entries, fuse().Readdirplus(kRoot, HandleOf(listing), 0));
  EXPECT_EQ(entries.size(), 6u);  // Four, "." and "..".
  EXPECT_OK(fuse().Unlink(kRoot, "moved"));
  EXPECT_OK(fuse().Rmdir(kRoot, "directory"));
  EXPECT_FALSE(HostExists("directory"));
}

TEST_P(SandboxModeTest, GuestRootsFilesBelongToTheSharingUser) {
  ASSERT_OK(fuse().Create(kRoot, "file", O_RDWR));
  EXPECT_EQ(StatHost("file").st_uid, GetParam().plain_user ? kPlainUser : 0);
}

TEST_P(SandboxModeTest, OtherUsersFilesBelongToThemOrCantBeMade) {
  fuse().set_credentials({.uid = GuestUid(kOtherUser), .gid = GuestGid(kOtherUser)});
  ASSERT_EQ(chmod(share_.c_str(), 0777), 0);
  const auto created = fuse().Create(kRoot, "file", O_RDWR);
  if (GetParam().plain_user) {
    EXPECT_EQ(created.errno_value(), EPERM);
    EXPECT_FALSE(HostExists("file"));
  } else {
    ASSERT_OK(created);
    EXPECT_EQ(StatHost("file").st_uid, kOtherUser);
  }
}

TEST_P(SandboxModeTest, NameOutsideTheShareIsRefused) {
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out up, fuse().Lookup(kRoot, ".."));
  EXPECT_EQ(NodeOf(up), kRoot);
  EXPECT_ERRNO(fuse().Lookup(kRoot, "../stderr"), EINVAL);
  ASSERT_EQ(symlink("/etc", Host("link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const fuse_entry_out link, fuse().Lookup(kRoot, "link"));
  EXPECT_ERRNO(fuse().Lookup(NodeOf(link), "passwd"), ENOTDIR);
}

}  // namespace
}  // namespace postern
