// Names that lead elsewhere, or that aren't names.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

using namespace std::string_literals;

// Every operation that takes one name, with `tail` (its NUL included, if it has one) as that name.
std::vector<std::string> WithName(std::string_view tail) {
  const std::string name(tail);
  return {
      Request({.opcode = FUSE_LOOKUP}, name),
      Request({.opcode = FUSE_UNLINK}, name),
      Request({.opcode = FUSE_RMDIR}, name),
      Request({.opcode = FUSE_MKDIR}, std::string(8, '\0') + name),
      Request({.opcode = FUSE_MKNOD}, Bytes(fuse_mknod_in{.mode = S_IFREG | 0644}) + name),
      Request({.opcode = FUSE_CREATE},
              Bytes(fuse_create_in{.flags = O_RDWR, .mode = 0100644}) + name),
      Request({.opcode = FUSE_LINK}, Bytes(fuse_link_in{.oldnodeid = 2}) + name),
      Request({.opcode = FUSE_SYMLINK}, name + "target\0"s),
      Request({.opcode = FUSE_RENAME}, Bytes(fuse_rename_in{.newdir = 1}) + name + "new\0"s),
      Request({.opcode = FUSE_RENAME}, Bytes(fuse_rename_in{.newdir = 1}) + "canary\0"s + name),
      Request({.opcode = FUSE_RENAME2},
              Bytes(fuse_rename2_in{.newdir = 1, .flags = 0}) + "canary\0"s + name),
  };
}

void ExpectAllRefused(AttackContext& context, std::string_view tail) {
  // So that node 2, or whatever it is called, exists.
  (void)context.fuse().Lookup(kRootNodeId, kCanary);
  for (const std::string& request : WithName(tail)) {
    context.ExpectRefusal(std::string(tail.substr(0, 40)), request);
  }
}

// LOOKUP may answer these, with the share's root at the most.
void ExpectNothingBeyondTheRoot(AttackContext& context, const std::string& dots) {
  const std::string name = dots + '\0';
  (void)context.fuse().Lookup(kRootNodeId, kCanary);
  for (const std::string& request : WithName(name)) {
    fuse_in_header header{};
    std::memcpy(&header, request.data(), sizeof(header));
    if (header.opcode != FUSE_LOOKUP) context.ExpectRefusal(dots, request);
  }
  const auto found = context.fuse().Lookup(kRootNodeId, dots);
  if (found.ok() && found->nodeid != kRootNodeId.value()) context.Fail(dots + " led elsewhere");
}

void ParentDirectory(AttackContext& context) { ExpectNothingBeyondTheRoot(context, ".."); }
void OwnDirectory(AttackContext& context) { ExpectNothingBeyondTheRoot(context, "."); }
void PathUpwards(AttackContext& context) { ExpectAllRefused(context, "../secret\0"s); }
void PathFromRoot(AttackContext& context) { ExpectAllRefused(context, "/etc/passwd\0"s); }
void Slash(AttackContext& context) { ExpectAllRefused(context, "/\0"s); }
void TrailingSlash(AttackContext& context) { ExpectAllRefused(context, "canary/\0"s); }
void PathThroughProc(AttackContext& context) {
  ExpectAllRefused(context, "/proc/self/fd/0\0"s);
  ExpectAllRefused(context, "../../../../proc/self/root/etc\0"s);
}
void Empty(AttackContext& context) { ExpectAllRefused(context, "\0"s); }
void WithoutNul(AttackContext& context) {
  for (const std::string& request :
       {Request({.opcode = FUSE_LOOKUP}, "canary"), Request({.opcode = FUSE_UNLINK}, "canary"),
        Request({.opcode = FUSE_MKDIR}, std::string(8, '\0') + "made"),
        Request({.opcode = FUSE_RENAME}, Bytes(fuse_rename_in{.newdir = 1}) + "canary\0new"s),
        Request({.opcode = FUSE_SYMLINK}, "link\0target"s)}) {
    context.ExpectRefusal("a name without its NUL", request);
  }
}
void NulInside(AttackContext& context) {
  for (const std::string& request :
       {Request({.opcode = FUSE_LOOKUP}, "canary\0more\0"s),
        Request({.opcode = FUSE_UNLINK}, "canary\0\0"s),
        Request({.opcode = FUSE_MKDIR}, std::string(8, '\0') + "ma\0de\0"s)}) {
    context.ExpectRefusal("a name with a NUL inside", request);
  }
}
void SecondNameMissing(AttackContext& context) {
  for (const std::string& request :
       {Request({.opcode = FUSE_RENAME}, Bytes(fuse_rename_in{.newdir = 1}) + "canary\0"s),
        Request({.opcode = FUSE_RENAME2}, Bytes(fuse_rename2_in{.newdir = 1}) + "canary\0"s),
        Request({.opcode = FUSE_SYMLINK}, "link\0"s), Request({.opcode = FUSE_SYMLINK}, "\0"s)}) {
    context.ExpectRefusal("one name where there must be two", request);
  }
}
void Of256Bytes(AttackContext& context) {
  ExpectAllRefused(context, std::string(256, 'n') + "\0"s);
}
void Of4096Bytes(AttackContext& context) {
  ExpectAllRefused(context, std::string(4096, 'n') + "\0"s);
}
void Of64KiB(AttackContext& context) {
  ExpectAllRefused(context, std::string(65536, 'n') + "\0"s);
  ExpectAllRefused(context, std::string(300'000, 'n') + "\0"s);
}

// Legal, each of them: they come back as they went.
void OddBytes(AttackContext& context) {
  for (const std::string& name :
       {std::string(255, 'n'), "\xff\xfe\x80"s, "new\nline"s, "\x1b[31m"s, "..."s, " "s, "*"s}) {
    const auto made = context.fuse().Mkdir(kRootNodeId, name);
    if (!made.ok()) context.Fail("refused: a legal name");
    struct stat status;
    if (lstat(context.Host(name).c_str(), &status) < 0) context.Fail("not the name it was given");
    (void)context.fuse().Rmdir(kRootNodeId, name);
  }
}

// A link that leads out is the guest's to resolve, never the host's.
void LinkUpwards(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const std::string target = "../" + std::string(kSecret);
  auto link = fuse.Symlink(kRootNodeId, "out", target);
  if (!link.ok()) return context.Fail("no link");
  const NodeId node = vmm::NodeOf(*link);
  if (fuse.Open(node, O_RDWR).ok()) context.Fail("opened through a link");
  if (fuse.Opendir(node).ok()) context.Fail("opened as a directory");
  if (fuse.Lookup(node, kSecret).ok()) context.Fail("looked up below a link");
  if (fuse.Create(node, "made", O_RDWR).ok()) context.Fail("made below a link");
  const auto created = fuse.Create(kRootNodeId, "out", O_RDWR | O_TRUNC);
  if (created.ok()) context.Fail("created through a link");
  fuse_setattr_in change{};
  change.valid = FATTR_SIZE;
  if (fuse.Setattr(node, change).ok()) context.Fail("truncated through a link");
  if (fuse.Rename(node, kSecret, kRootNodeId, "caught").ok()) context.Fail("renamed");
  (void)fuse.Unlink(kRootNodeId, "out");
}

// The directory that a guest knows is replaced by a link, on the host: its node stays what it was.
void DirectoryBecomesLink(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  auto directory = fuse.Mkdir(kRootNodeId, "inner");
  if (!directory.ok()) return context.Fail("no directory");
  const NodeId node = vmm::NodeOf(*directory);
  const std::string inner = context.Host("inner");
  if (rename(inner.c_str(), context.Host("moved").c_str()) < 0 ||
      symlink("..", inner.c_str()) < 0) {
    return context.Fail("can't prepare");
  }
  if (fuse.Lookup(node, kSecret).ok()) context.Fail("a node was found by its old name");
  const auto again = fuse.Lookup(kRootNodeId, "inner");
  if (again.ok() && S_ISDIR(again->attr.mode)) context.Fail("a link was followed");
  if (again.ok() && fuse.Lookup(vmm::NodeOf(*again), kSecret).ok()) context.Fail("got out");
  unlink(inner.c_str());
  rmdir(context.Host("moved").c_str());
}

// A directory that the host moves out of the share while the guest has it: ".." leads nowhere.
void DirectoryMovedOut(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  auto directory = fuse.Mkdir(kRootNodeId, "leaving");
  if (!directory.ok()) return context.Fail("no directory");
  const NodeId node = vmm::NodeOf(*directory);
  const std::string left = context.Beside("left");
  if (rename(context.Host("leaving").c_str(), left.c_str()) < 0) {
    return context.Fail("can't prepare");
  }
  for (const char* const name : {"..", "../secret"}) {
    if (fuse.Lookup(node, name).ok()) context.Fail("a name upwards was found");
  }
  rmdir(left.c_str());
}

Attack Row(std::string_view name, void (*run)(AttackContext&), int rounds = 100) {
  return {.family = "name", .name = name, .run = run, .rounds = rounds};
}

}  // namespace

std::span<const Attack> NameAttacks() {
  static const Attack kAttacks[] = {
      Row("is-the-parent-directory", &ParentDirectory),
      Row("is-the-own-directory", &OwnDirectory),
      Row("is-a-path-upwards", &PathUpwards),
      Row("is-a-path-from-the-root", &PathFromRoot),
      Row("is-a-path-through-proc", &PathThroughProc),
      Row("is-a-slash", &Slash),
      Row("ends-in-a-slash", &TrailingSlash),
      Row("is-empty", &Empty),
      Row("has-no-nul", &WithoutNul),
      Row("has-a-nul-inside", &NulInside),
      Row("second-is-missing", &SecondNameMissing),
      Row("of-256-bytes", &Of256Bytes),
      Row("of-4096-bytes", &Of4096Bytes),
      Row("of-64-kib", &Of64KiB, 30),
      Row("of-odd-bytes", &OddBytes, 30),
      Row("is-a-link-upwards", &LinkUpwards, 50),
      Row("becomes-a-link", &DirectoryBecomesLink, 50),
      Row("of-a-directory-moved-out", &DirectoryMovedOut, 50),
  };
  return kAttacks;
}

}  // namespace postern::hostile
