// posternd's command line: virtiofsd's options and ours, checked.
#ifndef POSTERN_SANDBOX_OPTIONS_H_
#define POSTERN_SANDBOX_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/logging.h"
#include "proto/config.pb.h"

namespace postern {

inline constexpr uint32_t kMaxRequestQueues = 64;
// virtio_fs_config.tag (VIRTIO 1.2, 5.11.4).
inline constexpr size_t kMaxTagBytes = 36;

// What the options say, each value checked for itself and against the others. Whether files, groups
// and descriptors exist is found out at the start.
struct Options {
  std::string shared_dir;
  // Exactly one of these two.
  std::optional<std::string> socket_path;
  std::optional<int> fd;
  std::optional<std::string> socket_group;  // Only with socket_path.
  std::string tag;                          // At most kMaxTagBytes.
  LogLevel log_level = LogLevel::kInfo;
  // 0: one per channel.
  uint32_t thread_pool_size = 0;
  // 1 to kMaxRequestQueues; unset: one per processor.
  std::optional<uint32_t> request_queues;
  config::SandboxMode sandbox = config::SANDBOX_MODE_NAMESPACE;
  config::SeccompAction seccomp = config::SECCOMP_ACTION_KILL;
  config::CacheMode cache = config::CACHE_MODE_AUTO;
  bool xattr = false;
};

// The command line asks for no service: print `text` (to stdout with status 0, else to stderr) and
// exit.
struct EarlyExit {
  int status;
  std::string text;
};

// Status 0 for --help, --version and --print-capabilities, 2 for a wrong command line. `arguments`
// has no program name.
std::variant<Options, EarlyExit> ParseOptions(const std::vector<std::string>& arguments);

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_H_
