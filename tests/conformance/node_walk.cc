#include "tests/conformance/node_walk.h"

#include <algorithm>
#include <vector>

namespace postern::conformance {
namespace {

constexpr int kMostLinks = 40;  // MAXSYMLINKS of include/linux/namei.h

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> components;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) components.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return components;
}

bool IsDirectory(const Node& node) { return S_ISDIR(node.attributes.mode); }

}  // namespace

struct NodeWalk::Walk {
  std::vector<Node> directories;  // From the root down to where the walk is.
  std::string name;               // The last component, if it is left.
  int links = 0;
};

Node NodeWalk::Counted(const fuse_entry_out& entry) {
  if (entry.nodeid != 0) ++lookups_[entry.nodeid];
  return {NodeId(entry.nodeid), entry.attr};
}

ErrnoOrVoid NodeWalk::ForgetAll() {
  constexpr size_t kMostAtOnce = 256;
  std::vector<fuse_forget_one> items;
  for (const auto& [node, count] : lookups_) {
    items.push_back({.nodeid = node, .nlookup = count});
    if (items.size() < kMostAtOnce) continue;
    POSTERN_RETURN_IF_ERROR(client_.BatchForget(items));
    items.clear();
  }
  lookups_.clear();
  if (items.empty()) return {};
  return client_.BatchForget(items);
}

ErrnoOr<Node> NodeWalk::Child(const Node& directory, const std::string& name) {
  if (!IsDirectory(directory)) return Errno(ENOTDIR);
  POSTERN_ASSIGN_OR_RETURN(const fuse_entry_out entry, client_.Lookup(directory.id, name));
  return Counted(entry);
}

// Walks on from where `walk` is. With `leave_last` the last component isn't entered but kept in
// walk.name; it is empty if there is none (".", "..", "/").
ErrnoOrVoid NodeWalk::Follow(Walk& walk, const std::string& path, Last last, bool leave_last) {
  const std::vector<std::string> components = Components(path);
  for (size_t i = 0; i < components.size(); ++i) {
    const bool is_last = i + 1 == components.size();
    const std::string& name = components[i];
    if (!IsDirectory(walk.directories.back())) return Errno(ENOTDIR);
    if (name == ".") continue;
    if (name == "..") {
      if (walk.directories.size() > 1) walk.directories.pop_back();
      continue;
    }
    if (is_last && leave_last) {
      walk.name = name;
      return {};
    }
    POSTERN_ASSIGN_OR_RETURN(const Node child, Child(walk.directories.back(), name));
    if (!S_ISLNK(child.attributes.mode) || (is_last && last == Last::kNoFollow)) {
      walk.directories.push_back(child);
      continue;
    }
    if (++walk.links > kMostLinks) return Errno(ELOOP);
    POSTERN_ASSIGN_OR_RETURN(const std::string target, client_.Readlink(child.id));
    if (target.empty()) return Errno(ENOENT);
    if (target[0] == '/') return Errno(EIO);  // Would leave the tree: no check has such a link.
    POSTERN_RETURN_IF_ERROR(Follow(walk, target, Last::kFollow, /*leave_last=*/false));
  }
  return {};
}

ErrnoOr<Node> NodeWalk::Find(const std::string& path, Last last) {
  if (path.empty()) return Errno(ENOENT);
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr root, client_.Getattr(kRootNodeId));
  Walk walk;
  walk.directories.push_back({kRootNodeId, root});
  POSTERN_RETURN_IF_ERROR(Follow(walk, path, last, /*leave_last=*/false));
  return walk.directories.back();
}

ErrnoOr<NamePlace> NodeWalk::FindParent(const std::string& path) {
  if (path.empty()) return Errno(ENOENT);
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr root, client_.Getattr(kRootNodeId));
  Walk walk;
  walk.directories.push_back({kRootNodeId, root});
  POSTERN_RETURN_IF_ERROR(Follow(walk, path, Last::kNoFollow, /*leave_last=*/true));
  return NamePlace{walk.directories.back().id, walk.name};
}

ErrnoOr<NodeWalk::CreationPlace> NodeWalk::FindForCreation(const std::string& path, Last last) {
  if (path.empty()) return Errno(ENOENT);
  POSTERN_ASSIGN_OR_RETURN(const fuse_attr root, client_.Getattr(kRootNodeId));
  Walk walk;
  walk.directories.push_back({kRootNodeId, root});
  std::string rest = path;
  while (true) {
    walk.name.clear();
    POSTERN_RETURN_IF_ERROR(Follow(walk, rest, Last::kNoFollow, /*leave_last=*/true));
    const Node directory = walk.directories.back();
    CreationPlace found{{directory.id, walk.name}, std::nullopt};
    if (walk.name.empty()) {
      found.existing = directory;
      return found;
    }
    const ErrnoOr<Node> child = Child(directory, walk.name);
    if (!child.ok() && child.error() == Errno(ENOENT)) return found;
    if (!child.ok()) return child.error();
    found.existing = *child;
    if (!S_ISLNK(child->attributes.mode)) return found;
    if (last == Last::kNoFollow) return found;
    if (++walk.links > kMostLinks) return Errno(ELOOP);
    POSTERN_ASSIGN_OR_RETURN(rest, client_.Readlink(child->id));
  }
}

}  // namespace postern::conformance
