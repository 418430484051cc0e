// From paths to nodes, as a kernel finds them: one LOOKUP for each component.
#ifndef POSTERN_TESTS_CONFORMANCE_NODE_WALK_H_
#define POSTERN_TESTS_CONFORMANCE_NODE_WALK_H_

#include <map>
#include <optional>
#include <string>

#include "tests/conformance/tree.h"
#include "tests/vmm/fuse_client.h"

namespace postern::conformance {

struct Node {
  NodeId id;
  fuse_attr attributes{};
};

// Where an operation on a name works.
struct NamePlace {
  NodeId directory;
  std::string name;
};

// Counts each lookup that the server counts, so that all of them can be taken back.
class NodeWalk {
 public:
  explicit NodeWalk(vmm::FuseClient& client) : client_(client) {}

  ErrnoOr<Node> Find(const std::string& path, Last last);
  // The directory of the last component, which isn't looked up.
  ErrnoOr<NamePlace> FindParent(const std::string& path);
  // The same after following symlinks in the last component: where O_CREAT creates. ELOOP where
  // O_NOFOLLOW meets one.
  struct CreationPlace {
    NamePlace place;
    std::optional<Node> existing;
  };
  ErrnoOr<CreationPlace> FindForCreation(const std::string& path, Last last);

  // Takes note of a lookup that a reply has counted.
  Node Counted(const fuse_entry_out& entry);
  // Forgets all of them.
  ErrnoOrVoid ForgetAll();

 private:
  struct Walk;
  ErrnoOr<Node> Child(const Node& directory, const std::string& name);
  ErrnoOrVoid Follow(Walk& walk, const std::string& path, Last last, bool leave_last);

  vmm::FuseClient& client_;
  std::map<uint64_t, uint64_t> lookups_;  // By node id.
};

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_NODE_WALK_H_
