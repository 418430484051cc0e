// A worker that the guest has taken over. The input is a RequestBatch; ids below 16 in it stand for
// those that the broker has given out, so that they lead somewhere. It runs against a scratch
// directory, beside one that no request may touch.
#include <fcntl.h>
#include <google/protobuf/arena.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "broker/identity/thread_state.h"
#include "broker/operations/filesystem.h"
#include "broker/operations/operation_table.h"
#include "tests/fuzz/fuzz_input.h"

namespace postern {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDescriptors = 64;
constexpr rlim_t kMaxFileBytes = 1 << 20;
constexpr uint64_t kPlaceholders = 16;

class Broker {
 public:
  Broker() {
    const bool memory = fs::exists("/dev/shm");
    std::string name = std::string(memory ? "/dev/shm" : "/tmp") + "/postern_fuzz.XXXXXX";
    POSTERN_HOLDS(mkdtemp(name.data()) != nullptr);
    root_ = name;
    fs::create_directory(root_ / "share");
    fs::create_directory(root_ / "outside");
    std::ofstream(root_ / "outside/file") << "untouched";
    umask(0);
    // A request must not fill the disk, and a write beyond the limit isn't the process's end.
    const rlimit limit{kMaxFileBytes, kMaxFileBytes};
    POSTERN_HOLDS(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    POSTERN_HOLDS(std::signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
  }
  ~Broker() { fs::remove_all(root_); }

  void Run(rpc::RequestBatch& batch) {
    for (const auto& entry : fs::directory_iterator(root_ / "share")) fs::remove_all(entry.path());
    MakeTree();
    const struct stat before = Outside();
    FilesystemOptions options;
    options.xattr = true;
    options.posix_acl = true;
    options.security_label = true;
    Filesystem filesystem(UniqueFd(open((root_ / "share").c_str(), O_PATH | O_CLOEXEC)),
                          ProcFd(UniqueFd(open("/proc/self/fd", O_PATH | O_CLOEXEC))),
                          *ProcessCredentials::Capture(), kDescriptors, options);
    // As each thread of the service; but libFuzzer wants its own directory back.
    POSTERN_HOLDS(MakeThreadStateOwn(filesystem.proc_fd()).ok());
    auto session = *filesystem.StartSession({.supplementary_groups = true, .posix_acl = true});
    nodes_ = {1};
    files_ = {1};
    for (const char* name : {"file", "dir", "link", "fifo"}) {
      rpc::Request request;
      request.mutable_lookup()->set_parent(1);
      request.mutable_lookup()->set_name(name);
      RunOne(filesystem, *session, request);
    }
    for (rpc::Request& request : *batch.mutable_requests()) RunOne(filesystem, *session, request);
    session.reset();
    POSTERN_HOLDS(fchdir(directory_.get()) == 0);
    POSTERN_HOLDS(filesystem.budget().used() == 0);
    const struct stat after = Outside();
    POSTERN_HOLDS(before.st_nlink == after.st_nlink && before.st_mode == after.st_mode &&
                  before.st_size == after.st_size &&
                  before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
    POSTERN_HOLDS(geteuid() == uid_ && getegid() == gid_);
  }

 private:
  void MakeTree() const {
    const fs::path share = root_ / "share";
    std::ofstream(share / "file") << "content";
    fs::create_directory(share / "dir");
    fs::create_symlink("../outside/file", share / "link");
    POSTERN_HOLDS(mkfifo((share / "fifo").c_str(), 0666) == 0);
  }
  struct stat Outside() const {
    struct stat status {};
    POSTERN_HOLDS(stat((root_ / "outside/file").c_str(), &status) == 0);
    return status;
  }

  static uint64_t Known(uint64_t id, const std::vector<uint64_t>& known) {
    return id < kPlaceholders ? known[id % known.size()] : id;
  }
  // The fields that hold ids, by their names in rpc.proto.
  template <typename Message>
  void Translate(Message& message) {
    if constexpr (requires { message.parent(); })
      message.set_parent(Known(message.parent(), nodes_));
    if constexpr (requires { message.node_id(); }) {
      message.set_node_id(Known(message.node_id(), nodes_));
    }
    if constexpr (requires { message.old_parent(); }) {
      message.set_old_parent(Known(message.old_parent(), nodes_));
    }
    if constexpr (requires { message.new_parent(); }) {
      message.set_new_parent(Known(message.new_parent(), nodes_));
    }
    if constexpr (requires { message.open_file_id(); }) {
      if (message.open_file_id() != 0) {
        message.set_open_file_id(Known(message.open_file_id(), files_));
      }
    }
  }
  void TranslateOperation(rpc::Request& request) {
    switch (request.operation_case()) {
#define POSTERN_TRANSLATE(kCase, field)    \
  case rpc::Request::kCase:                \
    Translate(*request.mutable_##field()); \
    break;
      POSTERN_TRANSLATE(kLookup, lookup)
      POSTERN_TRANSLATE(kGetAttributes, get_attributes)
      POSTERN_TRANSLATE(kSetAttributes, set_attributes)
      POSTERN_TRANSLATE(kReadLink, read_link)
      POSTERN_TRANSLATE(kSymlink, symlink)
      POSTERN_TRANSLATE(kMakeNode, make_node)
      POSTERN_TRANSLATE(kMakeDirectory, make_directory)
      POSTERN_TRANSLATE(kUnlink, unlink)
      POSTERN_TRANSLATE(kRemoveDirectory, remove_directory)
      POSTERN_TRANSLATE(kRename, rename)
      POSTERN_TRANSLATE(kLink, link)
      POSTERN_TRANSLATE(kOpen, open)
      POSTERN_TRANSLATE(kCreate, create)
      POSTERN_TRANSLATE(kRelease, release)
      POSTERN_TRANSLATE(kOpenDirectory, open_directory)
      POSTERN_TRANSLATE(kReadDirectory, read_directory)
      POSTERN_TRANSLATE(kReleaseDirectory, release_directory)
      POSTERN_TRANSLATE(kSyncDirectory, sync_directory)
      POSTERN_TRANSLATE(kStatFilesystem, stat_filesystem)
      POSTERN_TRANSLATE(kAccess, access)
      POSTERN_TRANSLATE(kGetExtendedAttribute, get_extended_attribute)
      POSTERN_TRANSLATE(kSetExtendedAttribute, set_extended_attribute)
      POSTERN_TRANSLATE(kListExtendedAttributes, list_extended_attributes)
      POSTERN_TRANSLATE(kRemoveExtendedAttribute, remove_extended_attribute)
      POSTERN_TRANSLATE(kCreateTemporaryFile, create_temporary_file)
      POSTERN_TRANSLATE(kWriteFile, write_file)
      POSTERN_TRANSLATE(kAllocate, allocate)
#undef POSTERN_TRANSLATE
      default:
        break;
    }
  }

  void RunOne(Filesystem& filesystem, Session& session, rpc::Request& request) {
    const OperationRow* row = FindOperation(request.operation_case());
    if (row == nullptr || row->run == nullptr || row->check(request) != nullptr) return;
    TranslateOperation(request);
    OperationContext context{filesystem, session, *scratch_};
    rpc::Reply reply;
    if (!RunOperation(*row, context, request, reply).ok()) return;
    const bool brings_file = (row->flags & kAnswersDescriptor) != 0;
    POSTERN_HOLDS((context.reply_file != nullptr) == brings_file);
    if (reply.has_entry()) nodes_.push_back(reply.entry().node_id());
    if (reply.has_created()) nodes_.push_back(reply.created().entry().node_id());
    if (reply.has_opened()) files_.push_back(reply.opened().open_file_id());
    if (reply.has_created()) files_.push_back(reply.created().opened().open_file_id());
  }

  fs::path root_;
  const uid_t uid_ = geteuid();
  const gid_t gid_ = getegid();
  const UniqueFd directory_{open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  std::unique_ptr<OperationScratch> scratch_ = std::make_unique<OperationScratch>();
  std::vector<uint64_t> nodes_;
  std::vector<uint64_t> files_;
};

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;  // NOLINT: libFuzzer's entry has C's name.
  static Broker broker;
  rpc::RequestBatch batch;
  if (!batch.ParseFromArray(data, static_cast<int>(size)) || batch.requests_size() > 64) return 0;
  broker.Run(batch);
  return 0;
}
