// A filesystem whose faults a test decides on: it answers with errors, late, or never.
#ifndef POSTERN_TESTS_INTEGRATION_FAULTS_SCRIPTED_FILESYSTEM_H_
#define POSTERN_TESTS_INTEGRATION_FAULTS_SCRIPTED_FILESYSTEM_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <linux/fuse.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/errno_or.h"
#include "common/event_fd.h"
#include "common/unique_fd.h"

namespace postern {

// One directory of regular files, served over /dev/fuse by a thread of this process. Nothing is
// cached by the kernel: every operation comes here. File handles hold no longer than the kernel
// remembers a file (no FUSE_EXPORT_SUPPORT), offsets in the directory are above 2^63, and names may
// have 1,024 bytes. Opcodes are FUSE_*; the name of the root
// directory is "". Thread-safe.
//
// Who waits for a held request can't be killed: the kernel lets a request that has been read only
// end with its answer. Who waits for one that hasn't been read dies of SIGKILL as usual.
class ScriptedFilesystem {
 public:
  using Files = std::map<std::string, std::string, std::less<>>;

  // EPERM or ENOENT where the kernel or the privileges for it are missing.
  static ErrnoOr<std::unique_ptr<ScriptedFilesystem>> Mount(const std::string& mount_point,
                                                            Files files);
  // Ends the connection: whoever waits gets ECONNABORTED. Then unmounts.
  ~ScriptedFilesystem();
  ScriptedFilesystem(const ScriptedFilesystem&) = delete;
  ScriptedFilesystem& operator=(const ScriptedFilesystem&) = delete;

  // From now on `opcode` on `name` is answered with `error`; 0: as it should.
  void Fail(uint32_t opcode, std::string_view name, int error);
  // From now on `opcode` on `name` is read and not answered.
  void Hold(uint32_t opcode, std::string_view name);
  // Answers what is held, and holds nothing from now on.
  void Release();
  // The kernel forgets the names that nobody uses, as under memory pressure.
  void DropNames();
  // From now on nothing is even read.
  void StopReading();

  // Whether `count` requests are held, or come to be within `limit`.
  bool WaitForHeld(size_t count, std::chrono::milliseconds limit = std::chrono::seconds(10));
  std::string Content(std::string_view name) const;

 private:
  static constexpr int kHold = -1;

  struct Request {
    fuse_in_header header{};
    std::string body;
  };
  struct Node {
    std::string name;
    std::string content;
  };

  ScriptedFilesystem(std::string mount_point, UniqueFd device, EventFd stop, Files files);
  void Serve();
  void Handle(const Request& request) ABSL_LOCKS_EXCLUDED(mutex_);
  // A positive errno, or 0 and the answer's body.
  int AnswerLocked(const Request& request, std::string& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int ListLocked(const Request& request, std::string& answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReplyLocked(const Request& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string NameOfLocked(const Request& request) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  fuse_attr AttributesLocked(uint64_t node) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  Node* FindLocked(uint64_t node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string mount_point_;
  const UniqueFd device_;
  const EventFd stop_;

  mutable absl::Mutex mutex_;
  std::vector<Node> nodes_ ABSL_GUARDED_BY(mutex_);  // Node id 2 and up.
  std::map<std::pair<uint32_t, std::string>, int> rules_ ABSL_GUARDED_BY(mutex_);
  std::vector<Request> held_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace postern

#endif  // POSTERN_TESTS_INTEGRATION_FAULTS_SCRIPTED_FILESYSTEM_H_
