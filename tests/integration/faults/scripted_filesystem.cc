#include "tests/integration/faults/scripted_filesystem.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "common/mutex_lock.h"

namespace postern {
namespace {

constexpr size_t kMaxWrite = 128 * 1024;
constexpr uint64_t kRoot = FUSE_ROOT_ID;
constexpr uint64_t kFirstFile = 2;
// As NFSv4's servers have them: beyond what lseek(2) takes.
constexpr uint64_t kFirstOffset = (uint64_t{1} << 63) + 12345;

template <typename T>
std::string BytesOf(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T Load(const std::string& body) {
  T value{};
  std::memcpy(&value, body.data(), std::min(sizeof(value), body.size()));
  return value;
}

}  // namespace

ErrnoOr<std::unique_ptr<ScriptedFilesystem>> ScriptedFilesystem::Mount(
    const std::string& mount_point, Files files) {
  UniqueFd device(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device) return Errno::Last();
  POSTERN_ASSIGN_OR_RETURN(EventFd stop, EventFd::Create());
  const std::string data = "fd=" + std::to_string(device.get()) +
                           ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
  if (mount("scripted", mount_point.c_str(), "fuse", MS_NOSUID | MS_NODEV, data.c_str()) < 0) {
    return Errno::Last();
  }
  return std::unique_ptr<ScriptedFilesystem>(
      new ScriptedFilesystem(mount_point, std::move(device), std::move(stop), std::move(files)));
}

ScriptedFilesystem::ScriptedFilesystem(std::string mount_point, UniqueFd device, EventFd stop,
                                       Files files)
    : mount_point_(std::move(mount_point)), device_(std::move(device)), stop_(std::move(stop)) {
  {
    const MutexLock lock(mutex_);
    for (auto& [name, content] : files) nodes_.push_back({name, std::move(content)});
  }
  thread_ = std::thread([this] { Serve(); });
}

ScriptedFilesystem::~ScriptedFilesystem() {
  // Ends the connection although others may have the mount.
  umount2(mount_point_.c_str(), MNT_FORCE);
  stop_.Signal();
  thread_.join();
  umount2(mount_point_.c_str(), MNT_DETACH);
}

void ScriptedFilesystem::Fail(uint32_t opcode, std::string_view name, int error) {
  const MutexLock lock(mutex_);
  rules_[{opcode, std::string(name)}] = error;
}

void ScriptedFilesystem::Hold(uint32_t opcode, std::string_view name) { Fail(opcode, name, kHold); }

void ScriptedFilesystem::Release() {
  const MutexLock lock(mutex_);
  for (auto& [key, action] : rules_) {
    if (action == kHold) action = 0;
  }
  for (const Request& request : held_) ReplyLocked(request);
  held_.clear();
}

void ScriptedFilesystem::DropNames() {
  const MutexLock lock(mutex_);
  for (const Node& node : nodes_) {
    fuse_notify_inval_entry_out entry{};
    entry.parent = kRoot;
    entry.namelen = static_cast<uint32_t>(node.name.size());
    fuse_out_header header{};
    header.error = FUSE_NOTIFY_INVAL_ENTRY;
    std::string body = BytesOf(entry) + node.name + '\0';
    header.len = static_cast<uint32_t>(sizeof(header) + body.size());
    body = BytesOf(header) + body;
    // ENOENT: the kernel doesn't know it.
    [[maybe_unused]] const ssize_t ignored = write(device_.get(), body.data(), body.size());
  }
}

void ScriptedFilesystem::StopReading() { stop_.Signal(); }

bool ScriptedFilesystem::WaitForHeld(size_t count, std::chrono::milliseconds limit) {
  const MutexLock lock(mutex_);
  const auto enough = [this, count]()
                          ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return held_.size() >= count; };
  return mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::FromChrono(limit));
}

std::string ScriptedFilesystem::Content(std::string_view name) const {
  const MutexLock lock(mutex_);
  for (const Node& node : nodes_) {
    if (node.name == name) return node.content;
  }
  return {};
}

void ScriptedFilesystem::Serve() {
  std::string buffer(kMaxWrite + 8192, '\0');
  while (true) {
    pollfd watched[2] = {{device_.get(), POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
    if (poll(watched, std::size(watched), -1) < 0 && errno != EINTR) return;
    if (watched[1].revents != 0) return;
    const ssize_t size = read(device_.get(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
    if (size < static_cast<ssize_t>(sizeof(fuse_in_header))) return;  // ENODEV: unmounted.
    Request request;
    std::memcpy(&request.header, buffer.data(), sizeof(request.header));
    request.body.assign(buffer, sizeof(request.header),
                        static_cast<size_t>(size) - sizeof(request.header));
    Handle(request);
  }
}

void ScriptedFilesystem::Handle(const Request& request) {
  const MutexLock lock(mutex_);
  switch (request.header.opcode) {
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return;
    default:
      break;
  }
  const auto rule = rules_.find({request.header.opcode, NameOfLocked(request)});
  if (rule != rules_.end() && rule->second == kHold) {
    held_.push_back(request);
    return;
  }
  ReplyLocked(request);
}

void ScriptedFilesystem::ReplyLocked(const Request& request) {
  std::string answer;
  const auto rule = rules_.find({request.header.opcode, NameOfLocked(request)});
  int error = rule != rules_.end() ? rule->second : 0;
  if (error == 0) error = AnswerLocked(request, answer);
  if (error != 0) answer.clear();
  fuse_out_header out{};
  out.len = static_cast<uint32_t>(sizeof(out) + answer.size());
  out.error = -error;
  out.unique = request.header.unique;
  iovec parts[] = {{&out, sizeof(out)}, {answer.data(), answer.size()}};
  // Nobody may be waiting any more.
  [[maybe_unused]] const ssize_t written = writev(device_.get(), parts, std::size(parts));
}

std::string ScriptedFilesystem::NameOfLocked(const Request& request) const {
  if (request.header.opcode == FUSE_LOOKUP) return request.body.c_str();
  const uint64_t id = request.header.nodeid;
  if (id < kFirstFile || id - kFirstFile >= nodes_.size()) return {};
  return nodes_[id - kFirstFile].name;
}

ScriptedFilesystem::Node* ScriptedFilesystem::FindLocked(uint64_t node) {
  if (node < kFirstFile || node - kFirstFile >= nodes_.size()) return nullptr;
  return &nodes_[node - kFirstFile];
}

fuse_attr ScriptedFilesystem::AttributesLocked(uint64_t node) const {
  fuse_attr attributes{};
  attributes.ino = node;
  attributes.nlink = 1;
  attributes.blksize = 4096;
  attributes.mode = S_IFDIR | 0777;
  if (node != kRoot) {
    attributes.mode = S_IFREG | 0666;
    attributes.size = nodes_[node - kFirstFile].content.size();
  }
  return attributes;
}

int ScriptedFilesystem::AnswerLocked(const Request& request, std::string& answer) {
  const uint64_t id = request.header.nodeid;
  Node* const node = FindLocked(id);
  switch (request.header.opcode) {
    case FUSE_INIT: {
      fuse_init_out init{};
      init.major = FUSE_KERNEL_VERSION;
      init.minor = FUSE_KERNEL_MINOR_VERSION;
      init.flags = FUSE_BIG_WRITES | FUSE_PARALLEL_DIROPS;
      init.max_background = 64;
      init.congestion_threshold = 64;
      init.max_write = kMaxWrite;
      answer = BytesOf(init);
      return 0;
    }
    case FUSE_LOOKUP: {
      const std::string name = NameOfLocked(request);
      const auto found =
          std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& n) { return n.name == name; });
      if (found == nodes_.end()) return ENOENT;
      fuse_entry_out entry{};
      entry.nodeid = kFirstFile + static_cast<uint64_t>(found - nodes_.begin());
      entry.attr = AttributesLocked(entry.nodeid);
      answer = BytesOf(entry);
      return 0;
    }
    case FUSE_GETATTR:
    case FUSE_SETATTR: {
      if (request.header.opcode == FUSE_SETATTR && node != nullptr) {
        const auto set = Load<fuse_setattr_in>(request.body);
        if ((set.valid & FATTR_SIZE) != 0) node->content.resize(set.size);
      }
      fuse_attr_out out{};
      out.attr = AttributesLocked(id);
      answer = BytesOf(out);
      return 0;
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      answer = BytesOf(fuse_open_out{});
      return 0;
    case FUSE_READ: {
      const auto read = Load<fuse_read_in>(request.body);
      if (read.offset < node->content.size()) answer = node->content.substr(read.offset, read.size);
      return 0;
    }
    case FUSE_WRITE: {
      const auto write = Load<fuse_write_in>(request.body);
      const size_t end = write.offset + write.size;
      if (node->content.size() < end) node->content.resize(end);
      node->content.replace(write.offset, write.size, request.body, sizeof(write), write.size);
      fuse_write_out out{};
      out.size = write.size;
      answer = BytesOf(out);
      return 0;
    }
    case FUSE_READDIR:
      return ListLocked(request, answer);
    case FUSE_STATFS: {
      fuse_statfs_out out{};
      out.st.bsize = 4096;
      out.st.namelen = 1024;
      answer = BytesOf(out);
      return 0;
    }
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
      return 0;
    default:
      return ENOSYS;
  }
}

int ScriptedFilesystem::ListLocked(const Request& request, std::string& answer) {
  const auto read = Load<fuse_read_in>(request.body);
  const uint64_t first = read.offset == 0 ? 0 : read.offset - kFirstOffset;
  for (size_t i = first; i < nodes_.size(); ++i) {
    const std::string& name = nodes_[i].name;
    const size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name.size());
    if (answer.size() + size > read.size) break;
    fuse_dirent entry{};
    entry.ino = kFirstFile + i;
    entry.off = kFirstOffset + i + 1;
    entry.namelen = static_cast<uint32_t>(name.size());
    entry.type = DT_REG;
    answer.append(reinterpret_cast<const char*>(&entry), FUSE_NAME_OFFSET);
    answer += name;
    answer.resize((answer.size() + 7) / 8 * 8);
  }
  return 0;
}

}  // namespace postern
