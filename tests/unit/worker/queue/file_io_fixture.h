// A file operation on a real file: in /tmp, whose filesystem is the machine's, or in memory.
#ifndef POSTERN_TESTS_UNIT_WORKER_QUEUE_FILE_IO_FIXTURE_H_
#define POSTERN_TESTS_UNIT_WORKER_QUEUE_FILE_IO_FIXTURE_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/open_descriptors.h"
#include "tests/unit/worker/memory_file.h"
#include "worker/fuse/file_operation.h"
#include "worker/queue/file_io.h"

namespace postern {

// A file without a name in the temporary directory.
inline UniqueFd TemporaryFile(const std::string& content = "") {
  std::string path = testing::TempDir() + "/postern-XXXXXX";
  UniqueFd fd(mkostemp(path.data(), O_CLOEXEC));
  EXPECT_TRUE(fd.valid());
  unlink(path.c_str());
  EXPECT_EQ(pwrite(fd.get(), content.data(), content.size(), 0),
            static_cast<ssize_t>(content.size()));
  return fd;
}

class FileOperationFixture : public testing::Test {
 protected:
  using Kind = FileOperation::Kind;

  void SetUp() override { before_ = OpenDescriptors(); }
  void TearDown() override {
    operation_.file.reset();
    operation_.target.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  void Begin(Kind kind, UniqueFd fd) {
    operation_ = FileOperation();
    operation_.kind = kind;
    operation_.file = std::make_shared<GuestFile>();
    operation_.file->fd = std::move(fd);
  }
  void BeginTransfer(Kind kind, UniqueFd fd, uint64_t offset, uint64_t size) {
    Begin(kind, std::move(fd));
    operation_.offset = offset;
    operation_.size = size;
  }
  void BeginCopy(UniqueFd from, uint64_t offset, UniqueFd to, uint64_t target_offset,
                 uint64_t size) {
    BeginTransfer(Kind::kCopy, std::move(from), offset, size);
    operation_.target = std::make_shared<GuestFile>();
    operation_.target->fd = std::move(to);
    operation_.target_offset = target_offset;
  }
  // A buffer of `size` bytes in pieces of `piece`, each a range of the chain, for operation_'s
  // kind. If `apart`, what is between two pieces isn't the chain's.
  void AddRanges(size_t size, size_t piece, bool apart = false) {
    const size_t stride = apart ? piece * 2 : piece;
    buffer_.assign(size / piece * stride, '.');
    for (size_t i = 0; i < size / piece; ++i) {
      const iovec range{buffer_.data() + i * stride, piece};
      if (operation_.kind == Kind::kRead) {
        chain_.AddWritable(range);
      } else {
        chain_.AddReadable(range);
      }
    }
  }
  FileProgress Run(Blocking blocking) { return Advance(operation_, chain_, blocking, ranges_); }
  // As FuseQueue and IoPool do.
  void Finish() {
    if (Run(Blocking::kAvoid) == FileProgress::kDone) return;
    EXPECT_EQ(Run(Blocking::kAllowed), FileProgress::kDone);
  }
  void ExpectResult(uint64_t result) {
    EXPECT_EQ(operation_.error, 0);
    EXPECT_EQ(operation_.result, result);
  }
  std::string Content() const { return ContentOf(*operation_.file); }
  static std::string ContentOf(const GuestFile& file) {
    struct stat status {};
    fstat(file.fd.get(), &status);
    std::string content(static_cast<size_t>(status.st_size), '?');
    EXPECT_EQ(pread(file.fd.get(), content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
    return content;
  }

  std::set<std::string> before_;
  FileOperation operation_;
  DescriptorChain chain_;
  std::string buffer_;
  std::vector<iovec> ranges_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_QUEUE_FILE_IO_FIXTURE_H_
