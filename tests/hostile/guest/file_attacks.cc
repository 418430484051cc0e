// Sizes, offsets and handles of open files and directories that no kernel sends.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "tests/hostile/guest/attack_context.h"

namespace postern::hostile {
namespace {

constexpr uint64_t kOffsets[] = {0,
                                 1,
                                 uint64_t{1} << 31,
                                 uint64_t{1} << 32,
                                 (uint64_t{1} << 62) + 1,
                                 (uint64_t{1} << 63) - 1,
                                 uint64_t{1} << 63,
                                 ~uint64_t{0} - 4095,
                                 ~uint64_t{0}};
constexpr uint32_t kSizes[] = {0,        1,          4096,       1u << 20,        (1u << 20) + 1,
                               1u << 30, 0x7fffffff, 0x80000000, 0xffffffff - 15, 0xffffffff};
constexpr uint64_t kHandles[] = {0,           1, 2, 3, 17, uint64_t{1} << 32, uint64_t{1} << 63,
                                 ~uint64_t{0}};

// A file of the guest's own, the root as a directory, both open. Closed again at the end.
struct OpenFiles {
  explicit OpenFiles(AttackContext& context) : fuse(context.fuse()), context_(context) {
    const auto created = fuse.Create(kRootNodeId, "own", O_RDWR | O_TRUNC);
    const auto directory = fuse.Opendir(kRootNodeId);
    const auto canary = fuse.Lookup(kRootNodeId, kCanary);
    if (!created.ok() || !directory.ok() || !canary.ok()) {
      context.Fail("can't prepare");
      return;
    }
    node = NodeId(created->entry.nodeid);
    file = created->opened.fh;
    root = directory->fh;
    other = NodeId(canary->nodeid);
    (void)fuse.WriteString(node, vmm::FuseHandle(file), 0, "0123456789");
  }
  ~OpenFiles() {
    if (context_.over()) return;
    (void)fuse.Release(node, vmm::FuseHandle(file));
    (void)fuse.Releasedir(kRootNodeId, vmm::FuseHandle(root));
    (void)fuse.Forget(node, 1);
    (void)fuse.Forget(other, 1);
    (void)fuse.Unlink(kRootNodeId, "own");
  }

  vmm::FuseClient& fuse;
  NodeId node{0};
  NodeId other{0};  // Another file's node, not open.
  uint64_t file = 0;
  uint64_t root = 0;

 private:
  AttackContext& context_;
};

std::string Read(uint32_t opcode, NodeId node, uint64_t handle, uint64_t offset, uint32_t size) {
  return Request({.opcode = opcode, .node = node.value()},
                 Bytes(fuse_read_in{.fh = handle, .offset = offset, .size = size}));
}
std::string Write(NodeId node, uint64_t handle, uint64_t offset, uint32_t size,
                  std::string_view data, uint32_t write_flags = 0) {
  return Request({.opcode = FUSE_WRITE, .node = node.value()},
                 Bytes(fuse_write_in{
                     .fh = handle, .offset = offset, .size = size, .write_flags = write_flags}) +
                     std::string(data));
}

void ReadSizes(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint32_t size : kSizes) {
    for (const size_t room : {16u, 17u, 4112u}) {
      const int error = context.Send(Read(FUSE_READ, open.node, open.file, 0, size), room);
      if (error == 0 && context.reply().size() > room - 16) context.Fail("more than there is room");
    }
  }
}
void ReadOffsets(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint64_t offset : kOffsets) {
    const int error = context.Send(Read(FUSE_READ, open.node, open.file, offset, 4000));
    if (error == 0 && offset > 10 && !context.reply().empty()) context.Fail("read beyond the end");
  }
}
void WriteSizes(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint32_t size : kSizes) {
    if (size > 5) {
      context.ExpectRefusal("a write of more than it brings",
                            Write(open.node, open.file, 0, size, "bytes"));
    } else {
      context.Send(Write(open.node, open.file, 0, size, "bytes"));
    }
  }
  struct stat status {};
  stat(context.Host("own").c_str(), &status);
  if (status.st_size > 10) context.Fail("written more than was there");
}
void WriteOffsets(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint64_t offset : {uint64_t{1} << 63, (uint64_t{1} << 63) - 1, ~uint64_t{0}}) {
    for (const uint32_t flags : {0u, 1u, 7u, ~0u}) {
      context.ExpectRefusal("a write at a negative offset",
                            Write(open.node, open.file, offset, 5, "bytes", flags));
    }
  }
}

// Every operation that takes a handle, on `node` with `handle`.
void WithHandle(AttackContext& context, NodeId node, uint64_t handle, const char* what,
                uint64_t own_directory) {
  const auto in = [&](uint32_t opcode, std::string_view body) {
    context.ExpectRefusal(what, Request({.opcode = opcode, .node = node.value()}, body));
  };
  in(FUSE_READ, Bytes(fuse_read_in{.fh = handle, .size = 10}));
  in(FUSE_WRITE, Bytes(fuse_write_in{.fh = handle, .size = 5}) + "bytes");
  in(FUSE_FSYNC, Bytes(fuse_fsync_in{.fh = handle}));
  in(FUSE_FLUSH, Bytes(fuse_flush_in{.fh = handle}));
  in(FUSE_FALLOCATE, Bytes(fuse_fallocate_in{.fh = handle, .length = 10}));
  in(FUSE_LSEEK, Bytes(fuse_lseek_in{.fh = handle, .whence = SEEK_DATA}));
  in(FUSE_COPY_FILE_RANGE,
     Bytes(fuse_copy_file_range_in{
         .fh_in = handle, .nodeid_out = node.value(), .fh_out = handle, .len = 10}));
  in(FUSE_RELEASE, Bytes(fuse_release_in{.fh = handle}));
  if (handle == own_directory && node == kRootNodeId) return;
  in(FUSE_READDIR, Bytes(fuse_read_in{.fh = handle, .size = 1000}));
  in(FUSE_READDIRPLUS, Bytes(fuse_read_in{.fh = handle, .size = 1000}));
  in(FUSE_FSYNCDIR, Bytes(fuse_fsync_in{.fh = handle}));
  in(FUSE_RELEASEDIR, Bytes(fuse_release_in{.fh = handle}));
}

void HandlesMadeUp(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint64_t handle : kHandles) {
    if (handle == open.file || handle == open.root) continue;
    WithHandle(context, open.node, handle, "a made-up handle", open.root);
  }
}
void HandlesOfAnotherFile(AttackContext& context) {
  const OpenFiles open(context);
  WithHandle(context, open.other, open.file, "another file's handle", open.root);
  WithHandle(context, NodeId(0x7777), open.file, "a made-up node's handle", open.root);
}
void HandlesOfDirectoriesForFiles(AttackContext& context) {
  const OpenFiles open(context);
  WithHandle(context, kRootNodeId, open.root, "a directory's handle for a file", open.root);
}
void HandlesOfFilesForDirectories(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint32_t opcode : {FUSE_READDIR, FUSE_READDIRPLUS}) {
    context.ExpectRefusal("a file's handle for a directory",
                          Read(opcode, kRootNodeId, open.file, 0, 1000));
    context.ExpectRefusal("a file's handle for a directory",
                          Read(opcode, open.node, open.file, 0, 1000));
  }
}
void HandlesClosed(AttackContext& context) {
  const OpenFiles open(context);
  const auto again = open.fuse.Open(open.node, O_RDWR);
  if (!again.ok()) return context.Fail("can't open");
  (void)open.fuse.Release(open.node, vmm::HandleOf(*again));
  WithHandle(context, open.node, again->fh, "a closed handle", open.root);
}

// Closes while reads and writes with the same handle are on their way.
void ReleaseRacesWithWork(AttackContext& context) {
  const OpenFiles open(context);
  const vmm::GuestBuffer memory = context.scratch();
  for (int round = 0; round < 20 && !context.over(); ++round) {
    const auto opened = open.fuse.Open(open.node, O_RDWR);
    if (!opened.ok()) return context.Fail("can't open");
    const std::string read = Read(FUSE_READ, open.node, opened->fh, 0, 1000);
    const std::string release = Request({.opcode = FUSE_RELEASE, .node = open.node.value()},
                                        Bytes(fuse_release_in{.fh = opened->fh}));
    std::memcpy(memory.bytes.data(), read.data(), read.size());
    std::memcpy(memory.bytes.data() + 512, release.data(), release.size());
    for (size_t i = 0; i < 12; ++i) {
      const bool closes = i % 4 == 3;
      const vmm::Segment readable{memory.Part(closes ? 512 : 0, 1).address,
                                  static_cast<uint32_t>(closes ? release.size() : read.size())};
      const vmm::Segment writable{memory.Part(4096 + i * 2048, 1).address, 2048};
      (void)context.queue().SubmitRaw(std::span(&readable, 1), std::span(&writable, 1), nullptr,
                                      nullptr);
    }
    context.Await();
  }
}

void DirectorySizes(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint32_t opcode : {FUSE_READDIR, FUSE_READDIRPLUS}) {
    for (const uint32_t size : kSizes) {
      for (const size_t room : {16u, 17u, 200u, 4112u}) {
        context.Send(Read(opcode, kRootNodeId, open.root, 0, size), room);
      }
    }
  }
}
void DirectoryOffsets(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint32_t opcode : {FUSE_READDIR, FUSE_READDIRPLUS}) {
    for (const uint64_t offset : kOffsets) {
      context.Send(Read(opcode, kRootNodeId, open.root, offset, 1000));
    }
  }
}

void WildSeeks(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint64_t offset : kOffsets) {
    for (const uint32_t whence : {0u, 1u, 2u, 3u, 4u, 5u, 0x7fffffffu, ~0u}) {
      context.Send(
          Request({.opcode = FUSE_LSEEK, .node = open.node.value()},
                  Bytes(fuse_lseek_in{.fh = open.file, .offset = offset, .whence = whence})));
    }
  }
}
void WildAllocations(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint64_t offset : {uint64_t{0}, uint64_t{1} << 63, ~uint64_t{0} - 10}) {
    for (const uint64_t length :
         {uint64_t{0}, uint64_t{1} << 62, uint64_t{1} << 63, ~uint64_t{0}}) {
      for (const uint32_t mode : {0u, 1u, 2u, 3u, 8u, 16u, 64u, 0xffu, 1u << 31, ~0u}) {
        const int error = context.Send(
            Request({.opcode = FUSE_FALLOCATE, .node = open.node.value()},
                    Bytes(fuse_fallocate_in{
                        .fh = open.file, .offset = offset, .length = length, .mode = mode})));
        if (error == 0 && mode != 3) context.Fail("succeeded: a wild allocation");  // 3: a hole.
      }
    }
  }
}
void WildCopies(AttackContext& context) {
  const OpenFiles open(context);
  for (const uint32_t opcode : {uint32_t{FUSE_COPY_FILE_RANGE}, vmm::kFuseCopyFileRange64}) {
    for (const uint64_t from : kOffsets) {
      for (const uint64_t to : kOffsets) {
        for (const uint64_t flags : {uint64_t{0}, ~uint64_t{0}}) {
          context.Send(Request({.opcode = opcode, .node = open.node.value()},
                               Bytes(fuse_copy_file_range_in{.fh_in = open.file,
                                                             .off_in = from,
                                                             .nodeid_out = open.node.value(),
                                                             .fh_out = open.file,
                                                             .off_out = to,
                                                             .len = ~uint64_t{0},
                                                             .flags = flags})));
        }
      }
    }
  }
}

// The host cuts the file under reads and writes that the kernel is doing.
void FileShrinksUnderReads(AttackContext& context) {
  const OpenFiles open(context);
  const std::string path = context.Host("own");
  for (int i = 0; i < 200 && !context.over(); ++i) {
    (void)!truncate(path.c_str(), i % 2 == 0 ? 1 << 20 : 0);
    context.Send(Read(FUSE_READ, open.node, open.file, 0, 65536), 65536 + 16);
    context.Send(Write(open.node, open.file, 4096, 5, "bytes"));
  }
}

// As many handles as it takes to see that they end with the session.
void HandlesWithoutEnd(AttackContext& context) {
  vmm::FuseClient& fuse = context.fuse();
  const auto canary = fuse.Lookup(kRootNodeId, kCanary);
  if (!canary.ok()) return context.Fail("no canary");
  for (int i = 0; i < 300; ++i) {
    (void)fuse.Open(vmm::NodeOf(*canary), O_RDONLY);
    (void)fuse.Opendir(kRootNodeId);
  }
  (void)fuse.Init();
}

Attack Row(std::string_view name, void (*run)(AttackContext&), int rounds = 50) {
  return {.family = "file", .name = name, .run = run, .rounds = rounds};
}

}  // namespace

std::span<const Attack> FileAttacks() {
  static const Attack kAttacks[] = {
      Row("read-sizes-up-to-4-gib", &ReadSizes),
      Row("read-offsets-negative", &ReadOffsets),
      Row("write-sizes-up-to-4-gib", &WriteSizes),
      Row("write-offsets-negative", &WriteOffsets),
      Row("handle-is-made-up", &HandlesMadeUp),
      Row("handle-of-another-file", &HandlesOfAnotherFile),
      Row("handle-of-a-directory-for-a-file", &HandlesOfDirectoriesForFiles),
      Row("handle-of-a-file-for-a-directory", &HandlesOfFilesForDirectories),
      Row("handle-is-closed", &HandlesClosed),
      Row("handles-without-end", &HandlesWithoutEnd, 8),
      Row("release-races-with-reads", &ReleaseRacesWithWork, 10),
      Row("readdir-sizes-up-to-4-gib", &DirectorySizes),
      Row("readdir-offsets-wild", &DirectoryOffsets),
      Row("lseek-wild", &WildSeeks),
      Row("fallocate-wild", &WildAllocations, 20),
      Row("copy-file-range-wild", &WildCopies, 1),
      Row("shared-file-shrinks", &FileShrinksUnderReads, 3),
  };
  return kAttacks;
}

}  // namespace postern::hostile
