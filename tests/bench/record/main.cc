// postern-bench-record: a virtio-fs daemon to QEMU, which hands all requests on to another daemon
// and writes those between the guest's two marks into a trace. Called by record_trace.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "tests/bench/record/recording_device.h"
#include "tests/bench/record/upstream.h"
#include "worker/vhost_user/vhost_user_session.h"

namespace postern::bench {
namespace {

constexpr size_t kQueues = 2;  // hiprio and one for requests.

ErrnoOr<UniqueFd> Accept(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return Errno(ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listening) return Errno::Last();
  // Safe because that is what bind(2) takes for AF_UNIX.
  if (bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0 ||
      listen(listening.get(), 1) < 0) {
    return Errno::Last();
  }
  UniqueFd connected(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connected) return Errno::Last();
  unlink(path.c_str());
  return connected;
}

absl::Status WriteTrace(const TraceRecorder& recorder, const std::string& path) {
  if (!recorder.complete()) return absl::InternalError("the guest has set no mark at the end");
  for (const uint32_t opcode : recorder.unknown()) {
    return absl::InternalError("a trace can't hold FUSE operation " + std::to_string(opcode));
  }
  std::ofstream file(path);
  for (const std::string& line : recorder.lines()) file << line << "\n";
  file.close();
  return file ? absl::OkStatus() : absl::InternalError("can't write " + path);
}

absl::Status Record(std::vector<std::string> command, const std::string& socket_path,
                    const std::string& trace_path) {
  auto upstream = Upstream::Start(std::move(command));
  if (!upstream.ok()) return upstream.status();
  {
    RecordingDevice device(**upstream, kQueues);
    auto socket = Accept(socket_path);
    if (!socket.ok()) return absl::InternalError(socket_path + ": " + socket.error().Message());
    VhostUserSession session(std::move(*socket), device, {});
    if (auto served = session.Run(); !served.ok()) {
      return absl::InternalError("vhost-user: " + served.error().Message());
    }
  }
  if (auto status = (*upstream)->Stop(); !status.ok()) return status;
  return WriteTrace((*upstream)->recorder(), trace_path);
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  std::string daemon;
  std::string share;
  std::string socket_path;
  std::string trace_path;
  CLI::App app("Records the requests of a guest");
  app.add_option("--daemon", daemon, "Program of the daemon that serves them")->required();
  app.add_option("--shared-dir", share, "Directory that it shares")->required();
  app.add_option("--socket-path", socket_path, "Socket for the front end")->required();
  app.add_option("--trace", trace_path, "File for the trace; none: nothing is recorded");
  app.allow_extras();
  CLI11_PARSE(app, argc, argv);
  std::vector<std::string> command = {daemon, "--shared-dir=" + share};
  for (const std::string& option : app.remaining()) command.push_back(option);
  if (trace_path.empty()) {  // A device beside the one of interest: its daemon takes our place.
    command.push_back("--socket-path=" + socket_path);
    std::vector<char*> words;
    for (std::string& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    execv(words[0], words.data());
    std::perror(words[0]);
    return 1;
  }
  const absl::Status status = postern::bench::Record(std::move(command), socket_path, trace_path);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}
