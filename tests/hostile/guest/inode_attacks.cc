// Nodes that aren't the guest's to name, and attributes, types and flags that make no sense.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

using namespace std::string_literals;

constexpr uint32_t kOpcodes = 56;

// Every opcode on `node`; none may succeed.
void OnNode(AttackContext& context, uint64_t node, const char* what) {
  for (uint32_t opcode = 1; opcode < kOpcodes; ++opcode) {
    if (opcode == FUSE_INIT || opcode == FUSE_DESTROY) continue;
    // What isn't about the header's node at all.
    if (opcode == FUSE_BATCH_FORGET || opcode == FUSE_FORGET || opcode == FUSE_INTERRUPT) continue;
    for (const std::string& body :
         {std::string(), std::string("name\0", 5), std::string(8, '\0'),
          std::string(8, '\0') + std::string("name\0", 5), std::string(16, '\0'),
          std::string(16, '\0') + std::string("name\0", 5), std::string(24, '\0'),
          std::string(40, '\0'), std::string(88, '\0')}) {
      context.ExpectRefusal(what, Request({.opcode = opcode, .node = node}, body));
    }
  }
}
void NodeZero(AttackContext& context) { OnNode(context, 0, "node 0"); }
void NodesMadeUp(AttackContext& context) {
  for (const uint64_t node :
       {uint64_t{2}, uint64_t{3}, uint64_t{0x1'0000'0001}, uint64_t{1} << 63, ~uint64_t{0}}) {
    OnNode(context, node, "a made-up node");
  }
}
void NodesStale(AttackContext& context) {
  const auto entry = context.fuse().Lookup(kRootNodeId, kCanary);
  if (!entry.ok()) return context.Fail("no canary");
  (void)context.fuse().Forget(vmm::NodeOf(*entry), 1);
  OnNode(context, entry->nodeid, "a forgotten node");
}
void NodesOfTheRemoved(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto made = fuse.Mkdir(kRootNodeId, "gone");
  if (!made.ok()) return context.Fail("can't make");
  (void)fuse.Rmdir(kRootNodeId, "gone");
  const NodeId node = vmm::NodeOf(*made);
  if (fuse.Create(node, "inner", O_RDWR).ok()) context.Fail("made in a removed directory");
  const auto above = fuse.Lookup(node, "..");
  if (above.ok() && above->nodeid != kRootNodeId.value()) context.Fail("led elsewhere");
  (void)fuse.Forget(node, 1);
}
// A small number may be the canary's own: which it has depends on its inode number.
constexpr uint64_t kMadeUpNode = uint64_t{99} << 32 | 99;

void TwoNodes(AttackContext& context) {
  // Second nodes of RENAME and LINK that don't exist, or aren't directories.
  const auto canary = context.fuse().Lookup(kRootNodeId, kCanary);
  if (!canary.ok()) return context.Fail("no canary");
  for (const uint64_t node : {uint64_t{0}, kMadeUpNode, ~uint64_t{0}, canary->nodeid}) {
    context.ExpectRefusal(
        "a rename to nowhere",
        Request({.opcode = FUSE_RENAME}, Bytes(fuse_rename_in{.newdir = node}) + "canary\0new\0"s));
    context.ExpectRefusal(
        "a rename to nowhere",
        Request({.opcode = FUSE_RENAME2},
                Bytes(fuse_rename2_in{.newdir = node, .flags = ~0u}) + "canary\0new\0"s));
  }
  for (const uint64_t node : {uint64_t{0}, kMadeUpNode, ~uint64_t{0}, uint64_t{1}}) {
    context.ExpectRefusal(
        "a link to nothing, or to the root",
        Request({.opcode = FUSE_LINK}, Bytes(fuse_link_in{.oldnodeid = node}) + "new\0"s));
  }
  (void)context.fuse().Forget(vmm::NodeOf(*canary), 1);
}
void DirectoryIntoItself(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto outer = fuse.Mkdir(kRootNodeId, "outer");
  if (!outer.ok()) return context.Fail("can't make");
  const auto inner = fuse.Mkdir(vmm::NodeOf(*outer), "inner");
  if (!inner.ok()) return context.Fail("can't make");
  if (fuse.Rename(kRootNodeId, "outer", vmm::NodeOf(*inner), "loop").ok()) {
    context.Fail("moved into itself");
  }
  (void)fuse.Rmdir(vmm::NodeOf(*outer), "inner");
  (void)fuse.Rmdir(kRootNodeId, "outer");
}

void WildSetattr(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto made = fuse.Mknod(kRootNodeId, "attributes", S_IFREG | 0644);
  if (!made.ok()) return context.Fail("can't make");
  for (uint32_t bit = 0; bit < 32; ++bit) {
    for (const uint8_t fill : {uint8_t{0}, uint8_t{0x7f}, uint8_t{0xff}}) {
      fuse_setattr_in change;
      std::memset(&change, fill, sizeof(change));
      change.valid = 1u << bit;
      context.Send(Request({.opcode = FUSE_SETATTR, .node = made->nodeid}, Bytes(change)));
      context.Send(Request({.opcode = FUSE_SETATTR, .node = 0x5555}, Bytes(change)));
    }
  }
  struct stat status {};
  stat(context.Host("attributes").c_str(), &status);
  if (!S_ISREG(status.st_mode)) context.Fail("not a regular file any more");
  (void)fuse.Unlink(kRootNodeId, "attributes");
  (void)fuse.Forget(vmm::NodeOf(*made), 1);
}

void WildMknod(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  for (uint32_t type = 0; type < 16; ++type) {
    for (const uint32_t bits : {0u, 07777u, 0xffff0fffu}) {
      const auto made = fuse.Mknod(kRootNodeId, "node", type << 12 | bits, 0x0103);
      if (!made.ok()) continue;
      struct stat status {};
      lstat(context.Host("node").c_str(), &status);
      if (S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode)) context.Fail("not what MKNOD makes");
      // A device or a pipe is the guest's: the host never opens it.
      if (!S_ISREG(status.st_mode) && fuse.Open(vmm::NodeOf(*made), O_RDWR).ok()) {
        context.Fail("opened what isn't a regular file");
      }
      (void)fuse.Unlink(kRootNodeId, "node");
      (void)fuse.Forget(vmm::NodeOf(*made), 1);
    }
  }
}

void WildOpens(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto canary = fuse.Lookup(kRootNodeId, kCanary);
  if (!canary.ok()) return context.Fail("no canary");
  for (uint32_t bit = 0; bit < 32; ++bit) {
    if ((1u << bit) == O_TRUNC) continue;  // Would do what it says.
    for (const uint32_t access : {0u, 3u}) {
      for (const uint64_t node : {canary->nodeid, uint64_t{1}}) {
        for (const uint32_t opcode : {FUSE_OPEN, FUSE_OPENDIR}) {
          const fuse_open_in in{.flags = 1u << bit | access, .open_flags = ~0u};
          if (context.Send(Request({.opcode = opcode, .node = node}, Bytes(in))) != 0) continue;
          fuse_open_out out{};
          std::memcpy(&out, context.reply().data(), std::min(sizeof(out), context.reply().size()));
          const vmm::FuseHandle handle(out.fh);
          if (opcode == FUSE_OPEN) {
            (void)fuse.Release(NodeId(node), handle);
          } else {
            (void)fuse.Releasedir(NodeId(node), handle);
          }
        }
      }
    }
  }
  (void)fuse.Forget(vmm::NodeOf(*canary), 1);
}

void WildCreates(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  for (const uint32_t opcode : {FUSE_CREATE, FUSE_TMPFILE}) {
    for (uint32_t bit = 0; bit < 33; ++bit) {
      const uint32_t flags = bit == 32 ? ~0u : 1u << bit;
      for (const uint32_t mode : {0u, ~0u, uint32_t{S_IFDIR} | 0777u}) {
        const fuse_create_in in{.flags = flags, .mode = mode, .umask = ~0u, .open_flags = ~0u};
        context.Send(Request({.opcode = opcode}, Bytes(in) + "wild\0"s));
        (void)fuse.Unlink(kRootNodeId, "wild");
      }
    }
  }
  (void)fuse.Init();  // Whatever is still open goes with the session.
}

void OpensOfDirectoriesAndPipes(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto pipe = fuse.Mknod(kRootNodeId, "pipe", S_IFIFO | 0666);
  if (!pipe.ok()) return context.Fail("can't make");
  for (const uint32_t flags : {uint32_t{O_RDONLY}, uint32_t{O_WRONLY}, uint32_t{O_RDWR}}) {
    // Would wait for the other end, if it were opened.
    if (fuse.Open(vmm::NodeOf(*pipe), flags).ok()) context.Fail("opened a pipe");
    if (fuse.Open(kRootNodeId, flags).ok()) context.Fail("opened a directory as a file");
  }
  if (fuse.Opendir(vmm::NodeOf(*pipe)).ok()) context.Fail("opened a pipe as a directory");
  (void)fuse.Unlink(kRootNodeId, "pipe");
  (void)fuse.Forget(vmm::NodeOf(*pipe), 1);
}

void XattrSizesThatLie(AttackContext& context) {
  for (const uint32_t size : {1u, 5u, 100u, 65536u, 65537u, 1u << 31, ~0u}) {
    for (const size_t brought : {0u, 4u}) {
      const std::string tail = "user.x\0"s + std::string(brought, 'v');
      context.ExpectRefusal(
          "a value that isn't there",
          Request({.opcode = FUSE_SETXATTR}, Bytes(std::array<uint32_t, 2>{size, 0}) + tail));
    }
  }
  if (getxattr(context.Host("").c_str(), "user.x", nullptr, 0) >= 0) context.Fail("it was set");
}
void XattrRoomThatLies(AttackContext& context) {
  for (const uint32_t opcode : {FUSE_GETXATTR, FUSE_LISTXATTR}) {
    for (const uint32_t size : {1u, 65536u, 1u << 20, (1u << 20) + 1, 1u << 31, ~0u}) {
      for (const size_t room : {16u, 17u, 100u}) {
        const std::string name = opcode == FUSE_GETXATTR ? "user.none\0"s : ""s;
        const int error = context.Send(
            Request({.opcode = opcode}, Bytes(fuse_getxattr_in{.size = size}) + name), room);
        if (error == 0 && context.reply().size() > room - 16) context.Fail("more than room");
      }
    }
  }
}
void XattrNames(AttackContext& context) {
  for (const std::string& name :
       {""s, std::string(256, 'x'), std::string(70'000, 'x'), "."s, "user."s, "trusted.x"s,
        "security.capability"s, "system.posix_acl_access"s, "\xff\xff"s}) {
    const std::string whole = name + "\0"s;
    context.ExpectRefusal("a name that isn't one", Request({.opcode = FUSE_REMOVEXATTR}, whole));
    context.ExpectRefusal(
        "a name that isn't one",
        Request({.opcode = FUSE_GETXATTR}, Bytes(fuse_getxattr_in{.size = 100}) + whole));
  }
}
void WildStatx(AttackContext& context) {
  for (uint32_t bit = 0; bit < 33; ++bit) {
    const uint32_t word = bit == 32 ? ~0u : 1u << bit;
    for (const uint64_t node : {uint64_t{1}, uint64_t{77}}) {
      vmm::FuseStatxIn in{};
      in.getattr_flags = word;
      in.fh = ~uint64_t{0};
      in.sx_flags = word;
      in.sx_mask = word;
      context.Send(Request({.opcode = vmm::kFuseStatx, .node = node}, Bytes(in)));
    }
  }
}
void LookupsWithoutEnd(AttackContext& context) {
  for (int i = 0; i < 300; ++i) {
    const std::string name = "made" + std::to_string(i);
    if (!context.fuse().Mkdir(kRootNodeId, name).ok()) context.Fail("can't make");
    (void)context.fuse().Rmdir(kRootNodeId, name);
  }
  (void)context.fuse().Init();
}

Attack Row(std::string_view name, void (*run)(AttackContext&), int rounds = 30,
           std::vector<std::string> options = {}) {
  return {.family = "inode",
          .name = name,
          .run = run,
          .rounds = rounds,
          .daemon_options = std::move(options)};
}

}  // namespace

std::span<const Attack> InodeAttacks() {
  static const Attack kAttacks[] = {
      Row("node-is-zero", &NodeZero, 10),
      Row("node-is-made-up", &NodesMadeUp, 3),
      Row("node-is-stale", &NodesStale, 10),
      Row("node-is-removed", &NodesOfTheRemoved),
      Row("second-node-is-wrong", &TwoNodes),
      Row("directory-into-itself", &DirectoryIntoItself),
      Row("setattr-wild", &WildSetattr, 10),
      Row("mknod-wild", &WildMknod, 10),
      Row("open-flags-wild", &WildOpens, 10),
      Row("create-flags-wild", &WildCreates, 10),
      Row("open-of-directories-and-pipes", &OpensOfDirectoriesAndPipes),
      Row("statx-wild", &WildStatx),
      Row("lookups-without-end", &LookupsWithoutEnd, 8),
      Row("setxattr-size-lies", &XattrSizesThatLie, 30, {"--xattr"}),
      Row("getxattr-room-lies", &XattrRoomThatLies, 30, {"--xattr"}),
      Row("xattr-names-wild", &XattrNames, 30, {"--xattr"}),
  };
  return kAttacks;
}

}  // namespace postern::hostile
