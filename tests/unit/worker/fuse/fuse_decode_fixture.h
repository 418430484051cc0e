// A decoder and what it may know of its request.
#ifndef POSTERN_TESTS_UNIT_WORKER_FUSE_FUSE_DECODE_FIXTURE_H_
#define POSTERN_TESTS_UNIT_WORKER_FUSE_FUSE_DECODE_FIXTURE_H_

#include <fcntl.h>

#include <span>

#include "tests/unit/worker/fuse_bytes.h"
#include "worker/fuse/fuse_operations.h"

namespace postern {

// A request of nodeid 5 by uid 1000, gid 1001. Open files: fh 77 is node 5's, fh 78 is node 6's.
class FuseDecoding {
 public:
  static constexpr uint64_t kNode = 5;
  static constexpr uint64_t kFile = 77;
  static constexpr uint64_t kOtherNodesFile = 78;

  FuseDecoding() {
    header.unique = 2;
    header.nodeid = kNode;
    header.uid = 1000;
    header.gid = 1001;
    session.Begin(0);
    EXPECT_TRUE(open_files.Insert(OpenFileId(kFile), OpenNull(), NodeId(kNode), {}, {}).ok());
    EXPECT_TRUE(open_files.Insert(OpenFileId(kOtherNodesFile), OpenNull(), NodeId(6), {}, {}).ok());
  }

  // Through the table, as FuseQueue does. 0 or an errno.
  int Decode(uint32_t opcode, std::span<const std::byte> arguments) {
    const FuseOperation* const row = FindFuseOperation(opcode);
    if (row == nullptr) return ENOSYS;
    notes = RequestNotes();
    const DecodeContext context{header,     options,     session, open_files,
                                data_bytes, reply_bytes, notes};
    FuseArguments parser(arguments);
    request.Clear();
    file = FileOperation();
    if (row->decode_file != nullptr) return row->decode_file(context, parser, file).errno_value();
    return row->decode(context, parser, request).errno_value();
  }
  int Decode(uint32_t opcode, const FuseBytes& arguments) {
    return Decode(opcode, arguments.bytes());
  }

  fuse_in_header header = {};
  FuseOptions options;
  FuseSession session;
  OpenFiles open_files;
  size_t data_bytes = 0;
  size_t reply_bytes = 4096;
  // What the last Decode() filled.
  rpc::Request request;
  FileOperation file;
  RequestNotes notes;

 private:
  static UniqueFd OpenNull() { return UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC)); }
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_FUSE_FUSE_DECODE_FIXTURE_H_
