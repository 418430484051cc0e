// A shared directory, and the operations on it without a service around them.
#ifndef POSTERN_TESTS_UNIT_BROKER_FILESYSTEM_FIXTURE_H_
#define POSTERN_TESTS_UNIT_BROKER_FILESYSTEM_FIXTURE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "broker/identity/thread_state.h"
#include "broker/operations/filesystem.h"
#include "broker/operations/operation_table.h"
#include "proto/rpc.pb.h"
#include "tests/unit/open_descriptors.h"

namespace postern {

// A directory that goes with the test, in TMPDIR or /tmp. umask is 0, as in the broker.
class SharedDirectory {
 public:
  SharedDirectory() {
    umask(0);
    const char* where = std::getenv("TMPDIR");
    std::string name = std::string(where == nullptr ? "/tmp" : where) + "/postern_broker.XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    chmod(name.c_str(), 0755);
    path_ = name;
  }
  ~SharedDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string Path(const std::string& name = "") const { return path_ + "/" + name; }
  void Write(const std::string& name, const std::string& text = "") const {
    std::ofstream(Path(name)) << text;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(Path(name));
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  bool Exists(const std::string& name) const {
    return faccessat(AT_FDCWD, Path(name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  }
  struct stat Stat(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(fstatat(AT_FDCWD, Path(name).c_str(), &status, AT_SYMLINK_NOFOLLOW), 0) << name;
    return status;
  }

 private:
  std::string path_;
};

inline UniqueFd OpenPathTo(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_PATH | O_CLOEXEC));
}

// Every test ends with the descriptors that it began with.
class FilesystemTest : public testing::Test {
 protected:
  static constexpr size_t kDescriptors = 100;
  static constexpr uint64_t kRoot = 1;

  void SetUp() override {
    before_ = OpenDescriptors();
    directory_ = std::filesystem::current_path();
    StartFilesystem(kDescriptors);
  }
  void TearDown() override {
    context_.reset();
    session_.reset();
    filesystem_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
    std::filesystem::current_path(directory_);
  }

  void StartFilesystem(size_t descriptors, bool supplementary_groups = true) {
    StartFilesystem(FilesystemOptions(), {.supplementary_groups = supplementary_groups},
                    descriptors);
  }
  void StartFilesystem(FilesystemOptions options,
                       SessionOptions session = {.supplementary_groups = true},
                       size_t descriptors = kDescriptors) {
    context_.reset();
    session_.reset();
    filesystem_.emplace(OpenPathTo(share_.Path()), ProcFd(OpenPathTo("/proc/self/fd")),
                        *ProcessCredentials::Capture(), descriptors, std::move(options));
    if (handles_) {
      ASSERT_EQ(filesystem_->UseFileHandles(*handles_).errno_value(), 0);
    }
    session_ = *filesystem_->StartSession(session);
    EXPECT_TRUE(MakeThreadStateOwn(filesystem_->proc_fd()).ok());  // As each thread of the service.
    context_.emplace(OperationContext{*filesystem_, *session_, scratch_});
  }

  // Runs a request as the service would, its check included. The error is 0 or an errno.
  int Run(const rpc::Request& request) {
    reply_.Clear();
    context_->reply_file.reset();
    const OperationRow* row = FindOperation(request.operation_case());
    EXPECT_EQ(row->check(request), nullptr);
    return RunOperation(*row, *context_, request, reply_).errno_value();
  }

  static rpc::Request LookupOf(uint64_t parent, const std::string& name) {
    rpc::Request request;
    request.mutable_lookup()->set_parent(parent);
    request.mutable_lookup()->set_name(name);
    return request;
  }
  // The node id of a name that is there, its count raised.
  uint64_t Lookup(const std::string& name, uint64_t parent = kRoot) {
    EXPECT_EQ(Run(LookupOf(parent, name)), 0) << name;
    return reply_.entry().node_id();
  }
  uint64_t Count(uint64_t node) { return session_->inodes.LookupCountForTest(NodeId(node)); }

  // Set it before SetUp() to know inodes by file handles.
  std::optional<MountTable::Policy> handles_;
  SharedDirectory share_;
  OperationScratch scratch_;
  std::set<std::string> before_;
  std::filesystem::path directory_;
  std::optional<Filesystem> filesystem_;
  std::shared_ptr<Session> session_;
  std::optional<OperationContext> context_;
  rpc::Reply reply_;
};

#define POSTERN_SKIP_UNLESS_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to act for other users"

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_FILESYSTEM_FIXTURE_H_
