#include "sandbox/launcher/socket_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/unit/sandbox/scratch.h"

namespace postern {
namespace {

using std::filesystem::exists;
using testing::HasSubstr;

constexpr gid_t kGroup = 2345;

struct stat Attributes(const std::string& path) {
  struct stat attributes {};
  EXPECT_EQ(lstat(path.c_str(), &attributes), 0) << path;
  return attributes;
}

// Somebody else owns the directory, and can change what is there at any time.
class SocketFileTest : public testing::Test {
 protected:
  SocketFileTest() {
    std::filesystem::create_directory(scratch_.Path("run"));
    place_ = *OpenPlace(scratch_.Path("run/s"));
  }
  int directory() const { return place_.directory.get(); }
  std::string path() const { return scratch_.Path("run/s"); }

  Scratch scratch_;
  FilePlace place_;
};

TEST_F(SocketFileTest, HasTheModeThatTheMaskLeaves) {
  ASSERT_TRUE(BindSocket(directory(), "s", 0007).ok());
  EXPECT_EQ(Attributes(path()).st_mode, mode_t{S_IFSOCK | 0770});
}

TEST_F(SocketFileTest, CanBeConnectedToByItsPath) {
  const auto socket_fd = BindSocket(directory(), "s", 0077);
  ASSERT_TRUE(socket_fd.ok()) << socket_fd.status();
  ASSERT_EQ(listen(socket_fd->get(), 1), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path().size(), sizeof(address.sun_path));
  std::strcpy(address.sun_path, path().c_str());
  const UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Safe because every sockaddr begins with the family.
  EXPECT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
}

std::string AddressOf(int socket_fd) {
  sockaddr_un address{};
  socklen_t size = sizeof(address);
  // Safe because every sockaddr begins with the family.
  EXPECT_EQ(getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return address.sun_path;
}

// What an administrator looks for in the list of sockets.
TEST_F(SocketFileTest, AddressIsTheWholePathWhereNobodyElseCanChangeIt) {
  const auto socket_fd = BindSocket(directory(), "s", 0077);
  ASSERT_TRUE(socket_fd.ok()) << socket_fd.status();
  EXPECT_EQ(AddressOf(socket_fd->get()), std::filesystem::canonical(scratch_.Path("run")) / "s");
}

TEST_F(SocketFileTest, AddressIsTheNameWhereSomebodyElseCanChangeThePath) {
  ASSERT_EQ(chmod(scratch_.Path("run").c_str(), 0777), 0);
  const auto socket_fd = BindSocket(directory(), "s", 0077);
  ASSERT_TRUE(socket_fd.ok()) << socket_fd.status();
  EXPECT_EQ(AddressOf(socket_fd->get()), "s");
  EXPECT_TRUE(exists(path()));
}

// Else whoever owns a directory on the way could have one made wherever posternd may write.
TEST_F(SocketFileTest, IsMadeInTheDirectoryThatIsOpenWhateverItsPathMeansByNow) {
  std::filesystem::create_directory(scratch_.Path("victim"));
  std::filesystem::rename(scratch_.Path("run"), scratch_.Path("moved"));
  std::filesystem::create_directory_symlink(scratch_.Path("victim"), scratch_.Path("run"));
  ASSERT_TRUE(BindSocket(directory(), "s", 0077).ok());
  EXPECT_TRUE(exists(scratch_.Path("moved/s")));
  EXPECT_FALSE(exists(scratch_.Path("victim/s")));
}

TEST_F(SocketFileTest, LeavesTheWorkingDirectoryAsItWas) {
  const auto before = std::filesystem::current_path();
  ASSERT_TRUE(BindSocket(directory(), "s", 0077).ok());
  EXPECT_EQ(std::filesystem::current_path(), before);
  EXPECT_FALSE(BindSocket(directory(), "none/s", 0077).ok());
  EXPECT_EQ(std::filesystem::current_path(), before);
}

TEST_F(SocketFileTest, IsGivenToTheGroup) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file to any group";
  ASSERT_TRUE(BindSocket(directory(), "s", 0007).ok());
  const auto file = Identify(directory(), "s", S_IFSOCK);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->inode, Attributes(path()).st_ino);
  EXPECT_TRUE(GiveSocketTo(kGroup, directory(), *file).ok());
  EXPECT_EQ(Attributes(path()).st_gid, kGroup);
}

TEST_F(SocketFileTest, FileThatTookItsPlaceIsNotTakenForIt) {
  ASSERT_TRUE(BindSocket(directory(), "s", 0007).ok());
  std::ofstream(scratch_.Path("run/precious")) << "text";
  std::filesystem::rename(scratch_.Path("run/precious"), path());
  EXPECT_THAT(Text(Identify(directory(), "s", S_IFSOCK).status()),
              HasSubstr("something else has taken the place"));
}

TEST_F(SocketFileTest, LinkThatTookItsPlaceIsNotFollowed) {
  ASSERT_TRUE(BindSocket(directory(), "other", 0007).ok());
  ASSERT_EQ(symlink("other", path().c_str()), 0);
  EXPECT_FALSE(Identify(directory(), "s", S_IFSOCK).ok());
}

TEST_F(SocketFileTest, SocketOfAnotherUsersThatTookItsPlaceIsNotOurs) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make one";
  ASSERT_TRUE(BindSocket(directory(), "s", 0007).ok());
  ASSERT_EQ(lchown(path().c_str(), 1234, 0), 0);
  EXPECT_FALSE(Identify(directory(), "s", S_IFSOCK).ok());
}

// Whoever owns the directory may move any file of root's there.
TEST_F(SocketFileTest, WhatTookItsPlaceLaterIsNotGivenAway) {
  ASSERT_TRUE(BindSocket(directory(), "s", 0007).ok());
  const auto file = Identify(directory(), "s", S_IFSOCK);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(BindSocket(directory(), "other", 0007).ok());
  std::filesystem::rename(scratch_.Path("run/other"), path());
  EXPECT_THAT(Text(GiveSocketTo(kGroup, directory(), *file)),
              HasSubstr("something else has taken the place"));
  EXPECT_EQ(Attributes(path()).st_gid, getegid());
}

}  // namespace
}  // namespace postern
