// Each opcode's decoder: one well-formed request to exactly one message, and the same request cut
// short and with a byte too many.
#include "worker/fuse/fuse_decode.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include <string>
#include <vector>

#include "tests/unit/worker/fuse/fuse_decode_fixture.h"

namespace postern {
namespace {

struct WellFormed {
  std::string name;
  uint32_t opcode;
  FuseBytes arguments;
  void (*expect)(rpc::Request&);
};

std::vector<WellFormed> BrokerRequests() {
  return {
      {"Lookup", FUSE_LOOKUP, FuseBytes().Name("name"),
       [](rpc::Request& request) {
         request.mutable_lookup()->set_parent(5);
         request.mutable_lookup()->set_name("name");
       }},
      {"LookupOfALongestName", FUSE_LOOKUP, FuseBytes().Name(std::string(1024, 'n')),
       [](rpc::Request& request) {
         request.mutable_lookup()->set_parent(5);
         request.mutable_lookup()->set_name(std::string(1024, 'n'));
       }},
      {"LookupOfDot", FUSE_LOOKUP, FuseBytes().Name("."),
       [](rpc::Request& request) {
         request.mutable_lookup()->set_parent(5);
         request.mutable_lookup()->set_name(".");
       }},
      {"LookupOfDotDot", FUSE_LOOKUP, FuseBytes().Name(".."),
       [](rpc::Request& request) {
         request.mutable_lookup()->set_parent(5);
         request.mutable_lookup()->set_name("..");
       }},
      {"LookupOfBytesThatAreNotUtf8", FUSE_LOOKUP, FuseBytes().Name("\xff\xfe..."),
       [](rpc::Request& request) {
         request.mutable_lookup()->set_parent(5);
         request.mutable_lookup()->set_name("\xff\xfe...");
       }},
      {"Forget", FUSE_FORGET, FuseBytes().Add(fuse_forget_in{3}),
       [](rpc::Request& request) {
         auto& item = *request.mutable_forget()->add_items();
         item.set_node_id(5);
         item.set_count(3);
       }},
      {"BatchForget", FUSE_BATCH_FORGET,
       FuseBytes()
           .Add(fuse_batch_forget_in{2, 0})
           .Add(fuse_forget_one{8, 1})
           .Add(fuse_forget_one{9, UINT64_MAX}),
       [](rpc::Request& request) {
         auto& first = *request.mutable_forget()->add_items();
         first.set_node_id(8);
         first.set_count(1);
         auto& second = *request.mutable_forget()->add_items();
         second.set_node_id(9);
         second.set_count(UINT64_MAX);
       }},
      {"Getattr", FUSE_GETATTR, FuseBytes().Add(fuse_getattr_in{FUSE_GETATTR_FH, 0, 77}),
       [](rpc::Request& request) { request.mutable_get_attributes()->set_node_id(5); }},
      {"Setattr", FUSE_SETATTR,
       FuseBytes().Add(fuse_setattr_in{.valid = FATTR_MODE | FATTR_SIZE | FATTR_FH,
                                       .padding = 0,
                                       .fh = 77,
                                       .size = 4096,
                                       .lock_owner = 1,
                                       .atime = 2,
                                       .mtime = 3,
                                       .ctime = 4,
                                       .atimensec = 5,
                                       .mtimensec = 6,
                                       .ctimensec = 7,
                                       .mode = S_IFREG | 04755,
                                       .unused4 = 0,
                                       .uid = 8,
                                       .gid = 9,
                                       .unused5 = 0}),
       [](rpc::Request& request) {
         auto& set = *request.mutable_set_attributes();
         set.set_node_id(5);
         set.set_open_file_id(77);
         set.set_mode(04755);
         set.set_size(4096);
       }},
      {"Readlink", FUSE_READLINK, FuseBytes(),
       [](rpc::Request& request) { request.mutable_read_link()->set_node_id(5); }},
      {"Symlink", FUSE_SYMLINK, FuseBytes().Name("name").Name("../target"),
       [](rpc::Request& request) {
         auto& symlink = *request.mutable_symlink();
         symlink.set_parent(5);
         symlink.set_name("name");
         symlink.set_target("../target");
         symlink.mutable_credentials()->set_uid(1000);
         symlink.mutable_credentials()->set_gid(1001);
       }},
      // Bits 0 to 7 and 20 to 31 are the minor number, 8 to 19 the major one.
      {"Mknod", FUSE_MKNOD,
       FuseBytes().Add(fuse_mknod_in{S_IFCHR | 0600, 0x12345, 022, 0}).Name("name"),
       [](rpc::Request& request) {
         auto& node = *request.mutable_make_node();
         node.set_parent(5);
         node.set_name("name");
         node.set_mode(S_IFCHR | 0600);
         node.set_rdev_major(0x123);
         node.set_rdev_minor(0x45);
         node.set_umask(022);
         node.mutable_credentials()->set_uid(1000);
         node.mutable_credentials()->set_gid(1001);
       }},
      {"MknodWithALargeMinor", FUSE_MKNOD,
       FuseBytes().Add(fuse_mknod_in{S_IFBLK | 0600, 0xabc00810, 0, 0}).Name("name"),
       [](rpc::Request& request) {
         auto& node = *request.mutable_make_node();
         node.set_parent(5);
         node.set_name("name");
         node.set_mode(S_IFBLK | 0600);
         node.set_rdev_major(8);
         node.set_rdev_minor(0xabc10);
         node.mutable_credentials()->set_uid(1000);
         node.mutable_credentials()->set_gid(1001);
       }},
      {"Mkdir", FUSE_MKDIR, FuseBytes().Add(fuse_mkdir_in{S_IFDIR | 01777, 027}).Name("name"),
       [](rpc::Request& request) {
         auto& directory = *request.mutable_make_directory();
         directory.set_parent(5);
         directory.set_name("name");
         directory.set_mode(01777);
         directory.set_umask(027);
         directory.mutable_credentials()->set_uid(1000);
         directory.mutable_credentials()->set_gid(1001);
       }},
      {"Unlink", FUSE_UNLINK, FuseBytes().Name("name"),
       [](rpc::Request& request) {
         request.mutable_unlink()->set_parent(5);
         request.mutable_unlink()->set_name("name");
       }},
      {"Rmdir", FUSE_RMDIR, FuseBytes().Name("name"),
       [](rpc::Request& request) {
         request.mutable_remove_directory()->set_parent(5);
         request.mutable_remove_directory()->set_name("name");
       }},
      {"Rename", FUSE_RENAME, FuseBytes().Add(fuse_rename_in{6}).Name("old").Name("new"),
       [](rpc::Request& request) {
         auto& rename = *request.mutable_rename();
         rename.set_old_parent(5);
         rename.set_old_name("old");
         rename.set_new_parent(6);
         rename.set_new_name("new");
       }},
      {"Rename2", FUSE_RENAME2,
       FuseBytes().Add(fuse_rename2_in{6, RENAME_EXCHANGE, 0}).Name("old").Name("new"),
       [](rpc::Request& request) {
         auto& rename = *request.mutable_rename();
         rename.set_old_parent(5);
         rename.set_old_name("old");
         rename.set_new_parent(6);
         rename.set_new_name("new");
         rename.set_flags(2);
       }},
      {"Link", FUSE_LINK, FuseBytes().Add(fuse_link_in{9}).Name("name"),
       [](rpc::Request& request) {
         auto& link = *request.mutable_link();
         link.set_node_id(9);
         link.set_new_parent(5);
         link.set_new_name("name");
       }},
      {"Open", FUSE_OPEN,
       FuseBytes().Add(fuse_open_in{O_RDWR | O_TRUNC | O_APPEND, FUSE_OPEN_KILL_SUIDGID}),
       [](rpc::Request& request) {
         request.mutable_open()->set_node_id(5);
         request.mutable_open()->set_flags(O_RDWR | O_TRUNC | O_APPEND);
       }},
      {"Create", FUSE_CREATE,
       FuseBytes()
           .Add(fuse_create_in{O_WRONLY | O_CREAT | O_EXCL, S_IFREG | 0640, 022, 0})
           .Name("name"),
       [](rpc::Request& request) {
         auto& create = *request.mutable_create();
         create.set_parent(5);
         create.set_name("name");
         create.set_mode(0640);
         create.set_flags(O_WRONLY | O_CREAT | O_EXCL);
         create.set_umask(022);
         create.mutable_credentials()->set_uid(1000);
         create.mutable_credentials()->set_gid(1001);
       }},
      {"Tmpfile", FUSE_TMPFILE,
       FuseBytes()
           .Add(fuse_create_in{O_WRONLY | O_EXCL | O_APPEND, S_IFREG | 0640, 01022, 0})
           .Name("/"),
       [](rpc::Request& request) {
         auto& create = *request.mutable_create_temporary_file();
         create.set_parent(5);
         create.set_mode(0640);
         create.set_flags(O_WRONLY | O_EXCL | O_APPEND);
         create.set_umask(022);
         create.mutable_credentials()->set_uid(1000);
         create.mutable_credentials()->set_gid(1001);
       }},
      {"Setxattr", FUSE_SETXATTR,
       FuseBytes().Add(uint32_t{5}).Add(uint32_t{XATTR_REPLACE}).Name("user.name").Text("value"),
       [](rpc::Request& request) {
         auto& set = *request.mutable_set_extended_attribute();
         set.set_node_id(5);
         set.set_name("user.name");
         set.set_value("value");
         set.set_flags(2);
       }},
      {"Getxattr", FUSE_GETXATTR, FuseBytes().Add(fuse_getxattr_in{100, 0}).Name("user.name"),
       [](rpc::Request& request) {
         request.mutable_get_extended_attribute()->set_node_id(5);
         request.mutable_get_extended_attribute()->set_name("user.name");
         request.mutable_get_extended_attribute()->set_size(100);
       }},
      {"Listxattr", FUSE_LISTXATTR, FuseBytes().Add(fuse_getxattr_in{100, 0}),
       [](rpc::Request& request) {
         request.mutable_list_extended_attributes()->set_node_id(5);
         request.mutable_list_extended_attributes()->set_size(100);
       }},
      {"Removexattr", FUSE_REMOVEXATTR, FuseBytes().Name("user.name"),
       [](rpc::Request& request) {
         request.mutable_remove_extended_attribute()->set_node_id(5);
         request.mutable_remove_extended_attribute()->set_name("user.name");
       }},
      {"Statx", kFuseStatx, FuseBytes().Add(FuseStatxIn{1, 0, 77, 0, STATX_BASIC_STATS}),
       [](rpc::Request& request) { request.mutable_get_attributes()->set_node_id(5); }},
      {"StatxOfTheBirthTime", kFuseStatx, FuseBytes().Add(FuseStatxIn{0, 0, 0, 0, STATX_BTIME}),
       [](rpc::Request& request) {
         request.mutable_get_attributes()->set_node_id(5);
         request.mutable_get_attributes()->set_with_birth_time(true);
       }},
      {"Release", FUSE_RELEASE, FuseBytes().Add(fuse_release_in{77, O_RDWR, 1, 2}),
       [](rpc::Request& request) {
         request.mutable_release()->set_node_id(5);
         request.mutable_release()->set_open_file_id(77);
       }},
      {"Opendir", FUSE_OPENDIR, FuseBytes().Add(fuse_open_in{O_DIRECTORY, 0}),
       [](rpc::Request& request) {
         request.mutable_open_directory()->set_node_id(5);
         request.mutable_open_directory()->set_flags(O_DIRECTORY);
       }},
      {"Readdir", FUSE_READDIR, FuseBytes().Add(fuse_read_in{40, 1234, 1000, 0, 0, 0, 0}),
       [](rpc::Request& request) {
         auto& directory = *request.mutable_read_directory();
         directory.set_node_id(5);
         directory.set_open_file_id(40);
         directory.set_offset(1234);
         directory.set_budget(1000);
       }},
      {"Readdirplus", FUSE_READDIRPLUS, FuseBytes().Add(fuse_read_in{40, 1234, 1000, 0, 0, 0, 0}),
       [](rpc::Request& request) {
         auto& directory = *request.mutable_read_directory();
         directory.set_node_id(5);
         directory.set_open_file_id(40);
         directory.set_offset(1234);
         directory.set_budget(1000);
         directory.set_with_entries(true);
         directory.set_with_dots(true);  // The client hasn't negotiated to choose.
       }},
      // A directory's handle is the broker's to know.
      {"Releasedir", FUSE_RELEASEDIR, FuseBytes().Add(fuse_release_in{40, 0, 0, 0}),
       [](rpc::Request& request) {
         request.mutable_release_directory()->set_node_id(5);
         request.mutable_release_directory()->set_open_file_id(40);
       }},
      {"Fsyncdir", FUSE_FSYNCDIR, FuseBytes().Add(fuse_fsync_in{40, 0, 0}),
       [](rpc::Request& request) {
         request.mutable_sync_directory()->set_node_id(5);
         request.mutable_sync_directory()->set_open_file_id(40);
       }},
      {"FsyncdirOfDataOnly", FUSE_FSYNCDIR,
       FuseBytes().Add(fuse_fsync_in{40, FUSE_FSYNC_FDATASYNC, 0}),
       [](rpc::Request& request) {
         request.mutable_sync_directory()->set_node_id(5);
         request.mutable_sync_directory()->set_open_file_id(40);
         request.mutable_sync_directory()->set_data_only(true);
       }},
      {"Statfs", FUSE_STATFS, FuseBytes(),
       [](rpc::Request& request) { request.mutable_stat_filesystem()->set_node_id(5); }},
      {"Access", FUSE_ACCESS, FuseBytes().Add(fuse_access_in{R_OK | W_OK | X_OK, 0}),
       [](rpc::Request& request) {
         auto& access = *request.mutable_access();
         access.set_node_id(5);
         access.set_mask(7);
         access.mutable_credentials()->set_uid(1000);
         access.mutable_credentials()->set_gid(1001);
       }},
      {"Syncfs", FUSE_SYNCFS, FuseBytes().Add(fuse_syncfs_in{0}),
       [](rpc::Request& request) { request.mutable_sync_filesystem()->set_node_id(5); }},
      {"Destroy", FUSE_DESTROY, FuseBytes(),
       [](rpc::Request& request) { request.mutable_reset(); }},
  };
}

class BrokerRequestTest : public testing::TestWithParam<WellFormed> {
 protected:
  BrokerRequestTest() { decoding_.options.xattr = true; }
  FuseDecoding decoding_;
};

TEST_P(BrokerRequestTest, WellFormedBecomesExactlyTheMessage) {
  rpc::Request expected;
  GetParam().expect(expected);
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, GetParam().arguments), 0);
  EXPECT_THAT(decoding_.request, IsMessage(expected));
}

TEST_P(BrokerRequestTest, OneByteTooShortIsRefused) {
  if (GetParam().arguments.size() == 0) return;  // None to cut.
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, GetParam().arguments.Without(1)), EINVAL);
}

TEST_P(BrokerRequestTest, EveryProperPrefixIsRefused) {
  for (size_t cut = 1; cut <= GetParam().arguments.size(); ++cut) {
    EXPECT_NE(decoding_.Decode(GetParam().opcode, GetParam().arguments.Without(cut)), 0) << cut;
  }
}

// Behind a name or a list it would be a second meaning of them. Behind a structure it has none.
bool EndsWithANameOrAList(uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
    case FUSE_SYMLINK:
    case FUSE_MKNOD:
    case FUSE_MKDIR:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_RENAME:
    case FUSE_RENAME2:
    case FUSE_LINK:
    case FUSE_CREATE:
    case FUSE_TMPFILE:
    case FUSE_SETXATTR:
    case FUSE_GETXATTR:
    case FUSE_REMOVEXATTR:
    case FUSE_BATCH_FORGET:
      return true;
    default:
      return false;
  }
}

TEST_P(BrokerRequestTest, BytesBehindAStructureMeanNothing) {
  for (const size_t more : {size_t{1}, size_t{260}}) {
    FuseDecoding decoding;  // RELEASE takes its file away.
    decoding.options.xattr = true;
    FuseBytes longer = GetParam().arguments;
    const int error = decoding.Decode(GetParam().opcode, longer.Zeros(more));
    EXPECT_EQ(error, EndsWithANameOrAList(GetParam().opcode) ? EINVAL : 0) << more;
  }
}

INSTANTIATE_TEST_SUITE_P(All, BrokerRequestTest, testing::ValuesIn(BrokerRequests()),
                         [](const auto& instance) { return instance.param.name; });

struct WellFormedFile {
  std::string name;
  uint32_t opcode;
  FuseBytes arguments;
  FileOperation::Kind kind;
  uint64_t offset;
  uint64_t size;
  size_t data_offset;
  uint32_t flags;
};

using Kind = FileOperation::Kind;

std::vector<WellFormedFile> FileRequests() {
  return {
      // The data lies behind the reply's header of 16 bytes.
      {"Read", FUSE_READ, FuseBytes().Add(fuse_read_in{77, 8192, 4096, 0, 0, O_RDWR, 0}),
       Kind::kRead, 8192, 4096, 16, 0},
      // Behind the header of 40 bytes and fuse_write_in's 40.
      {"Write", FUSE_WRITE, FuseBytes().Add(fuse_write_in{77, 8192, 1000, 0, 0, O_RDWR, 0}),
       Kind::kWrite, 8192, 1000, 80, 0},
      {"WriteAtTheEnd", FUSE_WRITE,
       FuseBytes().Add(fuse_write_in{77, 8192, 1000, 0, 0, O_WRONLY | O_APPEND, 0}), Kind::kWrite,
       8192, 1000, 80, RWF_APPEND},
      {"WriteBackOfAnAppendingFile", FUSE_WRITE,
       FuseBytes().Add(fuse_write_in{77, 8192, 1000, FUSE_WRITE_CACHE, 0, O_WRONLY | O_APPEND, 0}),
       Kind::kWrite, 8192, 1000, 80, 0},
      {"Flush", FUSE_FLUSH, FuseBytes().Add(fuse_flush_in{77, 0, 0, 9}), Kind::kFlush, 0, 0, 0, 0},
      {"Fsync", FUSE_FSYNC, FuseBytes().Add(fuse_fsync_in{77, 0, 0}), Kind::kSync, 0, 0, 0, 0},
      {"FsyncOfDataOnly", FUSE_FSYNC, FuseBytes().Add(fuse_fsync_in{77, FUSE_FSYNC_FDATASYNC, 0}),
       Kind::kSync, 0, 0, 0, 1},
      {"Fallocate", FUSE_FALLOCATE,
       FuseBytes().Add(
           fuse_fallocate_in{77, 4096, 8192, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0}),
       Kind::kAllocate, 4096, 8192, 0, 3},
      {"Lseek", FUSE_LSEEK, FuseBytes().Add(fuse_lseek_in{77, 4096, SEEK_HOLE, 0}), Kind::kSeek,
       4096, 0, 0, 4},
      {"CopyFileRange64", kFuseCopyFileRange64,
       FuseBytes().Add(fuse_copy_file_range_in{77, 4096, 5, 77, 8192, 1000, 0}), Kind::kCopy, 4096,
       1000, 0, 0},
      {"CopyFileRange", FUSE_COPY_FILE_RANGE,
       FuseBytes().Add(fuse_copy_file_range_in{77, 4096, 5, 77, 8192, 1000, 0}), Kind::kCopy, 4096,
       1000, 0, 0},
  };
}

class FileRequestTest : public testing::TestWithParam<WellFormedFile> {
 protected:
  FileRequestTest() { decoding_.data_bytes = 1000; }
  FuseDecoding decoding_;
};

TEST_P(FileRequestTest, WellFormedBecomesExactlyTheOperation) {
  ASSERT_EQ(decoding_.Decode(GetParam().opcode, GetParam().arguments), 0);
  const FileOperation& file = decoding_.file;
  EXPECT_EQ(file.kind, GetParam().kind);
  EXPECT_EQ(file.offset, GetParam().offset);
  EXPECT_EQ(file.size, GetParam().size);
  EXPECT_EQ(file.data_offset, GetParam().data_offset);
  EXPECT_EQ(file.flags, GetParam().flags);
  EXPECT_EQ(file.error, 0);
  EXPECT_EQ(file.result, 0u);
  EXPECT_EQ(file.file, *decoding_.open_files.Find(OpenFileId(77), NodeId(5)));
}

TEST_P(FileRequestTest, EveryProperPrefixIsRefused) {
  for (size_t cut = 1; cut <= GetParam().arguments.size(); ++cut) {
    EXPECT_EQ(decoding_.Decode(GetParam().opcode, GetParam().arguments.Without(cut)), EINVAL)
        << cut;
  }
}

TEST_P(FileRequestTest, BytesBehindTheStructureMeanNothing) {
  FuseBytes longer = GetParam().arguments;
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, longer.Zeros(260)), 0);
}

TEST_P(FileRequestTest, AHandleOfAnotherNodeIsEbadf) {
  // fh, or fh_in, is the first field of all of these structures.
  const FuseBytes foreign = FuseBytes()
                                .Add(FuseDecoding::kOtherNodesFile)
                                .Raw(GetParam().arguments.bytes().subspan(sizeof(uint64_t)));
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, foreign), EBADF);
}

TEST_P(FileRequestTest, AnUnknownHandleIsEbadf) {
  const FuseBytes unknown =
      FuseBytes().Add(uint64_t{1234}).Raw(GetParam().arguments.bytes().subspan(sizeof(uint64_t)));
  EXPECT_EQ(decoding_.Decode(GetParam().opcode, unknown), EBADF);
}

INSTANTIATE_TEST_SUITE_P(All, FileRequestTest, testing::ValuesIn(FileRequests()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace postern
