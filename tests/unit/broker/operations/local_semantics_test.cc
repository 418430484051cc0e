// The same done through the broker and by a local process of the same user, with the same results:
// errors, owners, groups, modes.
#include <sys/sysmacros.h>

#include <ostream>
#include <string>
#include <tuple>

#include "tests/unit/broker/filesystem_fixture.h"
#include "tests/unit/broker/local_process.h"
#include "tests/unit/broker/requests.h"

namespace postern {
namespace {

using requests::As;

constexpr uint32_t kUser = 1234;
constexpr uint32_t kGroup = 2345;
constexpr uint32_t kDirectoryGroup = 3456;

std::string NameOf(const As& as) {
  std::string name = as.uid == 0 ? "Root" : "User";
  if (as.gid == kGroup) name += "OfAnotherGroup";
  if (as.gid == kDirectoryGroup) name += "OfTheGroup";
  if (!as.groups.empty()) name += "AlsoInTheGroup";
  return name;
}
std::string OctalOf(mode_t mode) {
  std::string digits;
  for (int shift = 9; shift >= 0; shift -= 3)
    digits += static_cast<char>('0' + (mode >> shift & 7));
  return digits;
}

// What is to be the same.
struct Outcome {
  int error = 0;
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  dev_t device = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    return out << "error " << outcome.error << " mode " << std::oct << outcome.mode << std::dec
               << " owner " << outcome.uid << ":" << outcome.gid << " device " << outcome.device;
  }
};

class LocalSemanticsTest : public FilesystemTest {
 protected:
  void SetUp() override {
    FilesystemTest::SetUp();
    POSTERN_SKIP_UNLESS_ROOT();
  }
  Outcome OutcomeOf(int error, const std::string& name) {
    Outcome outcome{.error = error};
    struct stat status;
    if (lstat(share_.Path(name).c_str(), &status) == 0) {
      outcome.mode = status.st_mode;
      outcome.uid = status.st_uid;
      outcome.gid = status.st_gid;
      outcome.device = status.st_rdev;
    }
    return outcome;
  }
};

// ---- new objects ----

// The directory's mode, and who makes something in it.
class NewObjectTest : public LocalSemanticsTest,
                      public testing::WithParamInterface<std::tuple<mode_t, As>> {
 protected:
  void SetUp() override {
    LocalSemanticsTest::SetUp();
    if (IsSkipped()) return;
    MakeDirectory("ours");
    MakeDirectory("theirs");
    ours_ = Lookup("ours");
  }
  void MakeDirectory(const std::string& name) {
    ASSERT_EQ(mkdir(share_.Path(name).c_str(), 0700), 0);
    ASSERT_EQ(chown(share_.Path(name).c_str(), 0, kDirectoryGroup), 0);
    ASSERT_EQ(chmod(share_.Path(name).c_str(), std::get<0>(GetParam())), 0);
  }
  const As& as() { return std::get<1>(GetParam()); }
  std::string Theirs() { return share_.Path("theirs/x"); }

  void ExpectSame(const rpc::Request& request, const std::function<int()>& locally) {
    const int error = RunLocally(as(), locally);
    if (error == EACCES) return;  // The guest's kernel, which knows as much, doesn't even ask.
    const auto expected = OutcomeOf(error, "theirs/x");
    EXPECT_EQ(OutcomeOf(Run(request), "ours/x"), expected);
  }
  uint64_t ours_ = 0;
};

TEST_P(NewObjectTest, DirectoryIsTheSame) {
  ExpectSame(requests::MakeDirectory("x", 02775, as(), ours_),
             [path = Theirs()] { return mkdir(path.c_str(), 02775); });
}
TEST_P(NewObjectTest, SetGidFileIsTheSame) {
  ExpectSame(requests::Create("x", O_RDWR, 02775, as(), ours_),
             [path = Theirs()] { return open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 02775); });
}
TEST_P(NewObjectTest, SetUidFileThatIsNotExecutableForItsGroupIsTheSame) {
  ExpectSame(requests::Create("x", O_RDWR, 06765, as(), ours_),
             [path = Theirs()] { return open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 06765); });
}
TEST_P(NewObjectTest, FifoIsTheSame) {
  ExpectSame(requests::MakeNode("x", S_IFIFO | 02770, as(), ours_),
             [path = Theirs()] { return mknod(path.c_str(), S_IFIFO | 02770, 0); });
}
TEST_P(NewObjectTest, SocketIsTheSame) {
  ExpectSame(requests::MakeNode("x", S_IFSOCK | 0770, as(), ours_),
             [path = Theirs()] { return mknod(path.c_str(), S_IFSOCK | 0770, 0); });
}
TEST_P(NewObjectTest, DeviceIsTheSame) {
  ExpectSame(requests::MakeNode("x", S_IFCHR | 0660, as(), ours_),
             [path = Theirs()] { return mknod(path.c_str(), S_IFCHR | 0660, makedev(1, 3)); });
}
TEST_P(NewObjectTest, BlockDeviceIsTheSame) {
  ExpectSame(requests::MakeNode("x", S_IFBLK | 0660, as(), ours_),
             [path = Theirs()] { return mknod(path.c_str(), S_IFBLK | 0660, makedev(1, 3)); });
}
TEST_P(NewObjectTest, SymlinkIsTheSame) {
  ExpectSame(requests::Symlink("x", "target", as(), ours_),
             [path = Theirs()] { return symlink("target", path.c_str()); });
}

INSTANTIATE_TEST_SUITE_P(
    DirectoriesAndUsers, NewObjectTest,
    testing::Combine(testing::Values(0777, 02777, 03777, 02775, 0770, 02770, 0700),
                     testing::Values(As{0, 0}, As{0, kGroup}, As{kUser, kGroup},
                                     As{kUser, kDirectoryGroup},
                                     As{kUser, kGroup, {kDirectoryGroup}})),
    [](const auto& test) {
      return "In" + OctalOf(std::get<0>(test.param)) + "As" + NameOf(std::get<1>(test.param));
    });

// ---- set-id bits of files that are changed ----

// The file's mode. It belongs to kUser and kGroup, and the user isn't in the group: then Linux
// clears most.
class SetIdTest : public LocalSemanticsTest, public testing::WithParamInterface<mode_t> {
 protected:
  void SetUp() override {
    LocalSemanticsTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(chmod(share_.Path().c_str(), 0777), 0);
    Make("ours");
    Make("theirs");
    ours_ = Lookup("ours");
  }
  void Make(const std::string& name) {
    share_.Write(name, "text");
    ASSERT_EQ(chown(share_.Path(name).c_str(), kUser, kGroup), 0);
    ASSERT_EQ(chmod(share_.Path(name).c_str(), GetParam()), 0);
  }
  void ExpectSame(const rpc::Request& request, const As& as, const std::function<int()>& locally) {
    const int error = Run(request);
    EXPECT_EQ(OutcomeOf(error, "ours"), OutcomeOf(RunLocally(as, locally), "theirs"));
  }
  std::string Theirs() { return share_.Path("theirs"); }

  uint64_t ours_ = 0;
};

TEST_P(SetIdTest, OpenWithTruncationByAUserIsTheSame) {
  ExpectSame(requests::Open(ours_, O_WRONLY | O_TRUNC, /*kill_privileges=*/true), {kUser, 9999},
             [path = Theirs()] { return open(path.c_str(), O_WRONLY | O_TRUNC); });
}
TEST_P(SetIdTest, OpenWithTruncationByRootIsTheSame) {
  ExpectSame(requests::Open(ours_, O_WRONLY | O_TRUNC), {},
             [path = Theirs()] { return open(path.c_str(), O_WRONLY | O_TRUNC); });
}
TEST_P(SetIdTest, CreateThatTruncatesByAUserIsTheSame) {
  rpc::Request request = requests::Create("ours", O_WRONLY | O_TRUNC, 0644, {kUser, 9999});
  request.mutable_create()->set_kill_privileges(true);
  ExpectSame(request, {kUser, 9999},
             [path = Theirs()] { return open(path.c_str(), O_WRONLY | O_TRUNC | O_CREAT, 0644); });
}
TEST_P(SetIdTest, CreateThatTruncatesByRootIsTheSame) {
  ExpectSame(requests::Create("ours", O_WRONLY | O_TRUNC), {},
             [path = Theirs()] { return open(path.c_str(), O_WRONLY | O_TRUNC | O_CREAT, 0644); });
}
TEST_P(SetIdTest, TruncateByAUserIsTheSame) {
  ExpectSame(requests::SetSize(ours_, 1, /*kill_privileges=*/true), {kUser, 9999},
             [path = Theirs()] { return truncate(path.c_str(), 1); });
}
TEST_P(SetIdTest, TruncateByRootIsTheSame) {
  ExpectSame(requests::SetSize(ours_, 1), {},
             [path = Theirs()] { return truncate(path.c_str(), 1); });
}
TEST_P(SetIdTest, ChangeOfOwnerByRootIsTheSame) {
  ExpectSame(requests::SetOwner(ours_, 77, 78), {},
             [path = Theirs()] { return chown(path.c_str(), 77, 78); });
}
TEST_P(SetIdTest, ChangeOfGroupByItsOwnerIsTheSame) {
  rpc::Request request = requests::SetAttributes(ours_);
  request.mutable_set_attributes()->set_gid(9999);
  request.mutable_set_attributes()->set_kill_privileges(true);
  // A set-gid bit without group execution stays, as root's change leaves it: the request doesn't
  // tell whose it is.
  const bool kept = (GetParam() & (S_ISGID | S_IXGRP)) == S_ISGID;
  ExpectSame(request, kept ? As{} : As{kUser, 9999},
             [path = Theirs()] { return chown(path.c_str(), static_cast<uid_t>(-1), 9999); });
}
TEST_P(SetIdTest, WriteByRootIsTheSame) {
  ASSERT_EQ(Run(requests::Open(ours_, O_WRONLY)), 0);
  const uint64_t file = reply_.opened().open_file_id();
  ExpectSame(requests::WriteFile(ours_, file, 0, "ab"), {}, [path = Theirs()] {
    return static_cast<int>(pwrite(open(path.c_str(), O_WRONLY), "ab", 2, 0));
  });
}

INSTANTIATE_TEST_SUITE_P(Modes, SetIdTest,
                         testing::Values(0777, 04777, 02777, 06777, 02767, 06767, 02666, 04666),
                         [](const auto& test) { return "Of" + OctalOf(test.param); });

}  // namespace
}  // namespace postern
