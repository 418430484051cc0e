// Names that aren't one path component, in every operation that takes one; and legal ones that look
// odd.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <filesystem>
#include <ostream>
#include <tuple>

#include "tests/hostile/worker/hostile_worker_fixture.h"

namespace postern {
namespace {

struct BadName {
  const char* label;
  std::string name;
  int error;
};
void PrintTo(const BadName& name, std::ostream* out) { *out << name.label; }

class BadNameTest : public HostileWorkerTest, public testing::WithParamInterface<BadName> {};

const BadName kBadNames[] = {
    {"Empty", "", EINVAL},
    {"Dot", ".", EINVAL},
    {"DotDot", "..", EINVAL},
    {"UpAndOut", "../outside/victim", EINVAL},
    {"ThroughADirectory", "directory/inner", EINVAL},
    {"OutThroughADirectory", "directory/../../outside/victim", EINVAL},
    {"ThroughASymlink", "link/victim", EINVAL},
    {"Absolute", "/etc/passwd", EINVAL},
    {"Root", "/", EINVAL},
    {"TrailingSlash", "directory/", EINVAL},
    {"LeadingSlash", "/file", EINVAL},
    {"OnlyANul", std::string(1, '\0'), EINVAL},
    {"NulInside", std::string("file\0/../x", 10), EINVAL},
    {"NulAfterDotDot", std::string("..\0", 3), EINVAL},
    {"NulAtTheEnd", std::string("file\0", 5), EINVAL},
    {"Bytes256", std::string(256, 'x'), ENAMETOOLONG},
    {"Bytes256OfUps", std::string(256, '.'), ENAMETOOLONG},
    {"Bytes4096", std::string(4096, 'x'), ENAMETOOLONG},
    {"Bytes64K", std::string(65'536, '/'), ENAMETOOLONG},
};
INSTANTIATE_TEST_SUITE_P(, BadNameTest, testing::ValuesIn(kBadNames),
                         [](const auto& row) { return std::string(row.param.label); });

// Twelve ways to pass a name, in the sandbox mode where nothing else stands behind the check.
TEST_P(BadNameTest, GetsAnErrnoFromEveryOperation) {
  const auto& [label, name, error] = GetParam();
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--sandbox=none"}));
  const Known known = LearnIds();
  // To look the dots up is no crime, and doesn't leave the share.
  const bool dot = name == "." || name == "..";
  const auto found = Ask(requests::Lookup(kRoot, name));
  EXPECT_EQ(found.error(), dot ? 0 : error);
  EXPECT_EQ(found.reply.entry().node_id(), dot ? kRoot : 0);
  EXPECT_EQ(Ask(requests::Create(name, O_RDWR)).error(), error);
  EXPECT_EQ(Ask(requests::MakeDirectory(name)).error(), error);
  EXPECT_EQ(Ask(requests::MakeNode(name, S_IFREG | 0666)).error(), error);
  EXPECT_EQ(Ask(requests::Symlink(name, "target")).error(), error);
  EXPECT_EQ(Ask(requests::Link(known.file, name)).error(), error);
  EXPECT_EQ(Ask(requests::Unlink(kRoot, name)).error(), error);
  EXPECT_EQ(Ask(requests::RemoveDirectory(kRoot, name)).error(), error);
  EXPECT_EQ(Ask(requests::Rename(kRoot, name, kRoot, "new")).error(), error);
  EXPECT_EQ(Ask(requests::Rename(kRoot, "file", kRoot, name)).error(), error);
  EXPECT_EQ(Ask(requests::Rename(kRoot, name, kRoot, "file", RENAME_EXCHANGE)).error(), error);
  EXPECT_EQ(Ask(requests::Rename(kRoot, "file", known.directory, name, RENAME_WHITEOUT)).error(),
            error);
  EXPECT_TRUE(std::filesystem::exists(Share("file")));
  ExpectServes();
}

using OddNameTest = HostileWorkerTest;

TEST_F(OddNameTest, NamesThatAreNotUtf8AreNames) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const std::string name = "\xff\xfe\x80\xc0\xaf";  // "\xc0\xaf" is '/' to a careless decoder.
  EXPECT_EQ(Ask(requests::MakeDirectory(name)).error(), 0);
  EXPECT_NE(NodeOf(name), 0u);
  EXPECT_TRUE(std::filesystem::exists(Share(name)));
}

TEST_F(OddNameTest, NamesThatLookLikePathsOrOptionsAreNames) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  for (const std::string& name : Words{"...", ". ", "..\n", "~", "-rf", "\\..\\x", "%2e%2e%2f", "*",
                                       std::string(255, '.'), std::string("\x01\x7f", 2)}) {
    EXPECT_EQ(Ask(requests::Create(name, O_RDWR)).error(), 0) << name;
    EXPECT_TRUE(std::filesystem::exists(Share(name))) << name;
  }
}

// The broker never follows what the name of a symlink stands for: it answers the symlink itself.
TEST_F(OddNameTest, SymlinkToTheOutsideIsOnlyASymlink) {
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--sandbox=none", "--xattr"}));
  const Known known = LearnIds();
  EXPECT_EQ(Ask(requests::Open(known.link, O_RDWR)).error(), EBADF);
  EXPECT_EQ(Ask(requests::Open(known.link, O_RDWR | O_TRUNC)).error(), EBADF);
  EXPECT_EQ(Ask(requests::OpenDirectory(known.link)).error(), ENOTDIR);
  EXPECT_EQ(Ask(requests::Lookup(known.link, "victim")).error(), ENOTDIR);
  EXPECT_EQ(Ask(requests::Create("victim", O_RDWR, 0644, {}, known.link)).error(), ENOTDIR);
  EXPECT_EQ(Ask(requests::Create("link", O_RDWR)).error(), EBADF);
  EXPECT_EQ(Ask(requests::Create("link", O_RDWR | O_TRUNC)).error(), EBADF);
  EXPECT_EQ(Ask(requests::Create("link", O_RDWR | O_EXCL)).error(), EEXIST);
  EXPECT_EQ(Ask(requests::MakeDirectory("link")).error(), EEXIST);
  EXPECT_EQ(Ask(requests::SetSize(known.link, 0)).error(), EBADF);
  EXPECT_EQ(Ask(requests::SetXattr(known.link, "user.x", "y")).error(), EPERM);
  rpc::Request mode = requests::SetAttributes(known.link);
  mode.mutable_set_attributes()->set_mode(0777);
  EXPECT_EQ(Ask(mode).error(), EOPNOTSUPP);
  // These three act on the symlink.
  EXPECT_EQ(Ask(requests::SetOwner(known.link, 1234, 1234)).error(), 0);
  EXPECT_EQ(Ask(requests::Link(known.link, "second")).error(), 0);
  rpc::Request times = requests::SetAttributes(known.link);
  times.mutable_set_attributes()->mutable_mtime()->mutable_at()->set_seconds(1);
  EXPECT_EQ(Ask(times).error(), 0);
  struct stat status;
  ASSERT_EQ(lstat(Share("second").c_str(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  EXPECT_EQ(status.st_uid, 1234u);
  EXPECT_EQ(status.st_mtim.tv_sec, 1);
}

struct BadXattrName {
  const char* label;
  std::string name;
  const char* reason;
};
void PrintTo(const BadXattrName& name, std::ostream* out) { *out << name.label; }

class BadXattrNameTest : public HostileWorkerTest,
                         public testing::WithParamInterface<std::tuple<BadXattrName, int>> {};

constexpr char kLength[] = "an extended attribute's name";
const BadXattrName kBadXattrNames[] = {
    {"Empty", "", kLength},
    {"Bytes256", std::string(256, 'x'), kLength},
    {"Bytes64K", std::string(65'536, 'x'), kLength},
    {"NulInside", std::string("user.a\0b", 8), "a NUL in an extended attribute's name"},
};
constexpr const char* kXattrOperations[] = {"Get", "Set", "Remove"};
INSTANTIATE_TEST_SUITE_P(, BadXattrNameTest,
                         testing::Combine(testing::ValuesIn(kBadXattrNames),
                                          testing::Values(0, 1, 2)),
                         [](const auto& row) {
                           return std::string(std::get<0>(row.param).label) +
                                  kXattrOperations[std::get<1>(row.param)];
                         });

// An honest worker has checked it: the guest got an errno from there.
TEST_P(BadXattrNameTest, EndsTheSession) {
  const auto& [bad, operation] = GetParam();
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--xattr"}));
  rpc::Request request;
  request.set_id(1);
  switch (operation) {
    case 0:
      request.mutable_get_extended_attribute()->set_node_id(kRoot);
      request.mutable_get_extended_attribute()->set_name(bad.name);
      break;
    case 1:
      request.mutable_set_extended_attribute()->set_node_id(kRoot);
      request.mutable_set_extended_attribute()->set_name(bad.name);
      break;
    default:
      request.mutable_remove_extended_attribute()->set_node_id(kRoot);
      request.mutable_remove_extended_attribute()->set_name(bad.name);
  }
  rpc::RequestBatch batch;
  *batch.add_requests() = request;
  ASSERT_EQ(broker().SendRaw(batch.SerializeAsString()), 0);
  ExpectSessionEnds(bad.reason);
}

}  // namespace
}  // namespace postern
