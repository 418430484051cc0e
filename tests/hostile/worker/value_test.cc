// Sizes, offsets, modes, flags and credentials that no kernel of a guest sends.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <ostream>

#include "proto/bounds.h"
#include "tests/hostile/worker/hostile_worker_fixture.h"

namespace postern {
namespace {

namespace fs = std::filesystem;

using Request = rpc::Request;

struct Ids {
  uint64_t file = 0, directory = 0, link = 0, fifo = 0, open_file = 0, open_directory = 0;
};

struct Attack {
  const char* name;
  std::function<Request(const Ids&)> request;
  int error = 0;                 // What it gets, 0 for success, …
  const char* reason = nullptr;  // … or what ends the session.
};
void PrintTo(const Attack& attack, std::ostream* out) { *out << attack.name; }

constexpr uint64_t kNegative = ~uint64_t{0};
constexpr uint64_t kTwo63 = uint64_t{1} << 63;
constexpr uint32_t kMax32 = ~uint32_t{0};

Request Write(const Ids& ids, uint64_t offset, const std::string& data) {
  return requests::WriteFile(ids.file, ids.open_file, offset, data);
}
Request Allocate(const Ids& ids, uint64_t offset, uint64_t length, uint32_t mode) {
  Request request;
  rpc::AllocateRequest& allocate = *request.mutable_allocate();
  allocate.set_node_id(ids.file);
  allocate.set_open_file_id(ids.open_file);
  allocate.set_offset(offset);
  allocate.set_length(length);
  allocate.set_mode(mode);
  return request;
}
Request Copy(const Ids& ids, uint64_t from, uint64_t to, uint64_t length) {
  Request request;
  rpc::CopyRangeRequest& copy = *request.mutable_copy_range();
  copy.set_from_node_id(ids.file);
  copy.set_from_open_file_id(ids.open_file);
  copy.set_from_offset(from);
  copy.set_to_node_id(ids.file);
  copy.set_to_open_file_id(ids.open_file);
  copy.set_to_offset(to);
  copy.set_length(length);
  return request;
}
Request GetXattr(uint64_t node, uint32_t size) {
  Request request;
  request.mutable_get_extended_attribute()->set_node_id(node);
  request.mutable_get_extended_attribute()->set_name("user.x");
  request.mutable_get_extended_attribute()->set_size(size);
  return request;
}
Request ListXattrs(uint64_t node, uint32_t size) {
  Request request;
  request.mutable_list_extended_attributes()->set_node_id(node);
  request.mutable_list_extended_attributes()->set_size(size);
  return request;
}
Request SetTime(uint64_t node, int64_t seconds, uint32_t nanoseconds) {
  Request request = requests::SetAttributes(node);
  rpc::Timestamp& at = *request.mutable_set_attributes()->mutable_mtime()->mutable_at();
  at.set_seconds(seconds);
  at.set_nanoseconds(nanoseconds);
  return request;
}
Request SetMode(uint64_t node, uint32_t mode) {
  Request request = requests::SetAttributes(node);
  request.mutable_set_attributes()->set_mode(mode);
  return request;
}
Request MakeDevice(uint32_t major, uint32_t minor) {
  Request request = requests::MakeNode("device", S_IFBLK | 0666);
  request.mutable_make_node()->set_rdev_major(major);
  request.mutable_make_node()->set_rdev_minor(minor);
  return request;
}
requests::As WithGroups(size_t count) {
  requests::As as;
  for (uint32_t i = 0; i < count; ++i) as.groups.push_back(i + 1);
  return as;
}

class ValueTest : public HostileWorkerTest, public testing::WithParamInterface<Attack> {};

const Attack kAttacks[] = {
    // Reading directories.
    {"ReadDirectoryOfFourGigabytes",
     [](const Ids& i) {
       return requests::ReadDirectory(i.directory, i.open_directory, 0, kMax32, true);
     }},
    {"ReadDirectoryOfNothing",
     [](const Ids& i) { return requests::ReadDirectory(i.directory, i.open_directory, 0, 0); },
     EINVAL},
    {"ReadDirectoryFromANegativeOffset",
     [](const Ids& i) {
       return requests::ReadDirectory(i.directory, i.open_directory, kNegative, 4096);
     },
     0},
    {"ReadDirectoryFromTwo63",
     [](const Ids& i) {
       return requests::ReadDirectory(i.directory, i.open_directory, kTwo63, 4096);
     },
     0},
    // Writing.
    {"WriteOfNothing", [](const Ids& i) { return Write(i, 0, ""); }, 0, "a write's size"},
    {"WriteOfOneByteTooMany", [](const Ids& i) { return Write(i, 0, std::string(65'537, 'x')); }, 0,
     "a write's size"},
    {"WriteOfNearlyAMessage", [](const Ids& i) { return Write(i, 0, std::string(130'000, 'x')); },
     0, "a write's size"},
    {"WriteAtMinusOne", [](const Ids& i) { return Write(i, kNegative, "x"); }, EINVAL},
    {"WriteAtTwo63", [](const Ids& i) { return Write(i, kTwo63, "x"); }, EINVAL},
    {"WriteAtTheLastByte", [](const Ids& i) { return Write(i, kTwo63 - 1, "x"); }, EINVAL},
    {"AllocateMinusOne", [](const Ids& i) { return Allocate(i, 0, kNegative, 0); }, EINVAL},
    {"AllocateAtTwo63", [](const Ids& i) { return Allocate(i, kTwo63, 1, 0); }, EINVAL},
    {"AllocateBeyondTheEnd", [](const Ids& i) { return Allocate(i, kTwo63 - 1, kTwo63 - 1, 0); },
     EFBIG},
    {"AllocateNothing", [](const Ids& i) { return Allocate(i, 0, 0, 0); }, EINVAL},
    {"AllocateInAllModes", [](const Ids& i) { return Allocate(i, 0, 1, kMax32); }, EOPNOTSUPP},
    {"AllocateInAnUnknownMode", [](const Ids& i) { return Allocate(i, 0, 1, 0x40000000); },
     EOPNOTSUPP},
    {"CopyOfAnExabyte", [](const Ids& i) { return Copy(i, 0, 0, uint64_t{1} << 60); }, 0,
     "the length of a copy"},
    {"CopyOfMinusOne", [](const Ids& i) { return Copy(i, 0, 0, kNegative); }, 0,
     "the length of a copy"},
    {"CopyOntoItself", [](const Ids& i) { return Copy(i, 0, 1, 5); }, EINVAL},
    {"CopyFromMinusOne", [](const Ids& i) { return Copy(i, kNegative, 0, 1); }, EINVAL},
    {"CopyToTwo63", [](const Ids& i) { return Copy(i, 0, kTwo63, 1); }, EINVAL},
    // Attributes.
    {"SizeMinusOne", [](const Ids& i) { return requests::SetSize(i.file, kNegative); }, EFBIG},
    {"SizeTwo63", [](const Ids& i) { return requests::SetSize(i.file, kTwo63); }, EFBIG},
    {"SizeOfADirectory", [](const Ids& i) { return requests::SetSize(i.directory, 0); }, EISDIR},
    {"ModeWithTypeBits", [](const Ids& i) { return SetMode(i.file, S_IFCHR | 0666); }, 0,
     "a mode with more than permissions"},
    {"ModeWithAllBits", [](const Ids& i) { return SetMode(i.file, kMax32); }, 0,
     "a mode with more than permissions"},
    {"TimeNowInDisguise", [](const Ids& i) { return SetTime(i.file, 0, UTIME_NOW); }, 0,
     "too many nanoseconds"},
    {"TimeOmitInDisguise", [](const Ids& i) { return SetTime(i.file, 0, UTIME_OMIT); }, 0,
     "too many nanoseconds"},
    {"TimeWithoutValue",
     [](const Ids& i) {
       Request request = requests::SetAttributes(i.file);
       request.mutable_set_attributes()->mutable_atime();
       return request;
     },
     0, "a time without a value"},
    {"TimeBeforeTheBigBang",
     [](const Ids& i) { return SetTime(i.file, std::numeric_limits<int64_t>::min(), 0); }},
    {"OwnerThatIsNone", [](const Ids& i) { return requests::SetOwner(i.file, kMax32, 0); }, EINVAL},
    {"GroupThatIsNone", [](const Ids& i) { return requests::SetOwner(i.file, 0, kMax32); }, EINVAL},
    {"AccessWithAllBits", [](const Ids& i) { return requests::Access(i.file, kMax32); }, EACCES},
    // Extended attributes.
    {"XattrRoomOfFourGigabytes", [](const Ids& i) { return GetXattr(i.file, kMax32); }, 0,
     "too much room for an extended attribute"},
    {"XattrRoomOfOneByteTooMany", [](const Ids& i) { return GetXattr(i.file, 65'537); }, 0,
     "too much room for an extended attribute"},
    {"XattrListOfFourGigabytes", [](const Ids& i) { return ListXattrs(i.file, kMax32); }, 0,
     "too much room for an extended attribute"},
    {"XattrOfOneByteTooMany",
     [](const Ids& i) { return requests::SetXattr(i.file, "user.x", std::string(65'537, 'x')); }, 0,
     "an extended attribute's size"},
    {"XattrWithUnknownFlags",
     [](const Ids& i) {
       Request request = requests::SetXattr(i.file, "user.x", "y");
       request.mutable_set_extended_attribute()->set_flags(kMax32);
       return request;
     },
     EINVAL},
    {"XattrWithoutNamespace",
     [](const Ids& i) { return requests::SetXattr(i.file, "nonsense", "y"); }, EOPNOTSUPP},
    {"XattrOfTheHostsSecurityModule",
     [](const Ids& i) { return requests::SetXattr(i.file, "security.unknown", "y"); }, EPERM},
    {"XattrOfTheHostsOverlay",
     [](const Ids& i) { return requests::SetXattr(i.file, "trusted.overlay.opaque", "y"); }, EPERM},
    // Opening.
    {"OpenWithoutAccessMode", [](const Ids& i) { return requests::Open(i.file, O_ACCMODE); },
     EINVAL},
    {"OpenWithEveryFlag", [](const Ids& i) { return requests::Open(i.file, kMax32); }, EINVAL},
    {"OpenAsADirectory",
     [](const Ids& i) { return requests::Open(i.file, O_RDONLY | O_DIRECTORY); }, ENOTDIR},
    // Making.
    {"CreateWithEveryModeBit", [](const Ids&) { return requests::Create("new", O_RDWR, kMax32); }},
    {"CreateWithEveryFlag", [](const Ids&) { return requests::Create("new", kMax32); }, EINVAL},
    {"TemporaryFileThatIsReadOnly", [](const Ids&) { return requests::CreateTemporary(O_RDONLY); },
     EINVAL},
    {"UmaskWithMoreThanPermissions",
     [](const Ids&) {
       Request request = requests::Create("new", O_RDWR);
       request.mutable_create()->set_umask(kMax32);
       return request;
     },
     0, "a umask with more than permissions"},
    {"DirectoryByMknod", [](const Ids&) { return requests::MakeNode("new", S_IFDIR | 0755); },
     EPERM},
    {"SymlinkByMknod", [](const Ids&) { return requests::MakeNode("new", S_IFLNK | 0777); },
     EINVAL},
    {"NodeOfAnUnknownType", [](const Ids&) { return requests::MakeNode("new", 0170000 | 0777); },
     EINVAL},
    {"NodeWithEveryModeBit", [](const Ids&) { return requests::MakeNode("new", kMax32); }, EINVAL},
    {"DeviceOfTooHighAMajor", [](const Ids&) { return MakeDevice(0x1000, 0); }, EINVAL},
    {"DeviceOfTooHighAMinor", [](const Ids&) { return MakeDevice(0, 0x100000); }, EINVAL},
    {"DeviceOfAllBits", [](const Ids&) { return MakeDevice(kMax32, kMax32); }, EINVAL},
    {"SymlinkToNothing", [](const Ids&) { return requests::Symlink("new", ""); }, 0,
     "a symlink target's size"},
    {"SymlinkOf4096Bytes",
     [](const Ids&) { return requests::Symlink("new", std::string(4096, 'x')); }, 0,
     "a symlink target's size"},
    {"SymlinkWithANul", [](const Ids&) { return requests::Symlink("new", std::string("a\0b", 3)); },
     0, "a NUL in a symlink target"},
    // Credentials.
    {"NoCredentials",
     [](const Ids&) {
       Request request = requests::MakeDirectory("new");
       request.mutable_make_directory()->clear_credentials();
       return request;
     },
     0, "no credentials"},
    {"UserThatIsNone",
     [](const Ids&) {
       return requests::MakeDirectory("new", 0755, {kMax32, 0});
     },
     EINVAL},
    {"GroupOfTheCallerThatIsNone",
     [](const Ids&) {
       return requests::MakeDirectory("new", 0755, {0, kMax32});
     },
     EINVAL},
    {"OneGroupTooMany",
     [](const Ids&) {
       return requests::MakeDirectory("new", 0755, WithGroups(rpc::kMaxSupplementaryGids + 1));
     },
     0, "too many supplementary groups"},
    {"AllGroupsOfAMessage",
     [](const Ids&) { return requests::MakeDirectory("new", 0755, WithGroups(40'000)); }, 0,
     "too many supplementary groups"},
    {"SupplementaryGroupThatIsNone",
     [](const Ids&) {
       return requests::MakeDirectory("new", 0755, {1, 1, {kMax32}});
     },
     EINVAL},
    {"RenameWithUnknownFlags",
     [](const Ids&) { return requests::Rename(1, "file", 1, "directory", 0xfffffff8); }, EINVAL},
    {"SecurityContextWithoutTheOption",
     [](const Ids&) {
       Request request = requests::MakeDirectory("new");
       rpc::SecurityContext& context =
           *request.mutable_make_directory()->mutable_security_context();
       context.set_name("security.selinux");
       context.set_value("x");
       return request;
     },
     EOPNOTSUPP},
};
INSTANTIATE_TEST_SUITE_P(, ValueTest, testing::ValuesIn(kAttacks),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_P(ValueTest, GetsAnErrnoOrEndsTheSession) {
  const Attack& attack = GetParam();
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--xattr"}));
  const Known known = LearnIds();
  const Request request = attack.request(
      {known.file, known.directory, known.link, known.fifo, known.open_file, known.open_directory});
  if (attack.reason != nullptr) {
    ASSERT_EQ(broker().SendRaw(requests::BatchOf(request)), 0);
    ExpectSessionEnds(attack.reason);
    return;
  }
  EXPECT_EQ(Ask(request).error(), attack.error);
  if (attack.error != 0) {
    EXPECT_FALSE(fs::exists(Share("new")));
    EXPECT_EQ(fs::file_size(Share("file")), 7u);
  }
  ExpectServes();
}

using RightsTest = HostileWorkerTest;

// What a taken-over worker may do as any user, by saying so: all that the guest's root may do, and
// what it makes belongs to that user. No more.
TEST_F(RightsTest, WorkerMayActAsAnyUser) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ASSERT_EQ(chmod(Share("directory").c_str(), 0700), 0);
  ASSERT_EQ(chown(Share("directory").c_str(), 1234, 1234), 0);
  const Known known = LearnIds();
  EXPECT_EQ(Ask(requests::MakeDirectory("x", 0755, {1234, 1}, known.directory)).error(), 0);
  struct stat status;
  ASSERT_EQ(stat(Share("directory/x").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 1234u);
  EXPECT_EQ(status.st_gid, 1u);
}

// Sixty-four requests of as many users in one message, failures among them: no user's rights stay
// with the thread.
TEST_F(RightsTest, UsersOfOneBatchStayApart) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ASSERT_EQ(chmod(Share().c_str(), 0777), 0);
  std::vector<Request> batch;
  for (uint32_t i = 0; i < 64; ++i) {
    const uint32_t uid = i % 4 == 3 ? kMax32 : i;
    batch.push_back(requests::MakeDirectory("d" + std::to_string(i), 0755, {uid, i, {i + 100}}));
  }
  const auto answers = broker().Ask(batch);
  for (uint32_t i = 0; i < 64; ++i) {
    SCOPED_TRACE(i);
    if (i % 4 == 3) {
      EXPECT_EQ(answers[i].error(), EINVAL);
      continue;
    }
    ASSERT_EQ(answers[i].error(), 0);
    EXPECT_EQ(answers[i].reply.entry().attributes().uid(), i);
    EXPECT_EQ(answers[i].reply.entry().attributes().gid(), i);
  }
}

// CAP_MKNOD lets the guest's root make device files, as it may on any disk of its own. The broker
// never opens one, and its own mount of the share forbids it to the kernel as well.
TEST_F(RightsTest, DeviceFilesAreMadeButNeverOpened) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const auto made = Ask(requests::MakeNode("null", S_IFCHR | 0666));
  ASSERT_EQ(made.error(), 0);
  EXPECT_EQ(Ask(requests::Open(made.reply.entry().node_id(), O_RDWR)).error(), EBADF);
  EXPECT_EQ(Ask(requests::Create("null", O_RDWR)).error(), EBADF);
}

TEST_F(RightsTest, DeviceFilesNeedTheCapability) {
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--modcaps=-mknod"}));
  EXPECT_EQ(Ask(requests::MakeNode("null", S_IFCHR | 0666)).error(), EPERM);
  EXPECT_EQ(Ask(requests::MakeNode("fifo2", S_IFIFO | 0666)).error(), 0);
}

// The broker's own check, whatever the worker knows of the option.
TEST_F(RightsTest, ReadOnlyShareIsNotChanged) {
  ASSERT_NO_FATAL_FAILURE(StartBroker({"--readonly", "--xattr"}));
  const uint64_t file = NodeOf("file");
  EXPECT_EQ(Ask(requests::Open(file, O_RDWR)).error(), EROFS);
  EXPECT_EQ(Ask(requests::Open(file, O_RDONLY | O_TRUNC)).error(), EINVAL);
  EXPECT_EQ(Ask(requests::Create("new", O_RDWR)).error(), EROFS);
  EXPECT_EQ(Ask(requests::Create("file", O_RDWR | O_TRUNC)).error(), EROFS);
  EXPECT_EQ(Ask(requests::CreateTemporary(O_RDWR)).error(), EROFS);
  EXPECT_EQ(Ask(requests::SetSize(file, 0)).error(), EROFS);
  EXPECT_EQ(Ask(requests::Unlink(kRoot, "file")).error(), EROFS);
  EXPECT_EQ(Ask(requests::MakeDirectory("new")).error(), EROFS);
  EXPECT_EQ(Ask(requests::MakeNode("new", S_IFREG)).error(), EROFS);
  EXPECT_EQ(Ask(requests::Symlink("new", "x")).error(), EROFS);
  EXPECT_EQ(Ask(requests::Link(file, "new")).error(), EROFS);
  EXPECT_EQ(Ask(requests::Rename(kRoot, "file", kRoot, "new")).error(), EROFS);
  EXPECT_EQ(Ask(requests::SetXattr(file, "user.x", "y")).error(), EROFS);
  const auto opened = Ask(requests::Open(file, O_RDONLY));
  ASSERT_EQ(opened.error(), 0);
  EXPECT_EQ(fcntl(opened.fd.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(Ask(requests::WriteFile(file, opened.reply.opened().open_file_id(), 0, "x")).error(),
            EROFS);
}

// What comes with an OPEN has the access mode that was asked for, and no more.
TEST_F(RightsTest, DescriptorOfAReadingOpenCantWrite) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const uint64_t file = NodeOf("file");
  const auto opened = Ask(requests::Open(file, O_RDONLY | O_CREAT | O_TMPFILE | O_PATH));
  ASSERT_TRUE(opened.error() == 0 || opened.error() == ENOTDIR) << opened.error();
  const auto reading = Ask(requests::Open(file, O_RDONLY | O_CREAT | O_APPEND | O_ASYNC));
  ASSERT_EQ(reading.error(), 0);
  EXPECT_EQ(pwrite(reading.fd.get(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(reading.fd.get(), 0), -1);
  EXPECT_EQ(Ask(requests::WriteFile(file, reading.reply.opened().open_file_id(), 0, "x")).error(),
            EBADF);
}

}  // namespace
}  // namespace postern
