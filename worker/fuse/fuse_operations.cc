#include "worker/fuse/fuse_operations.h"

#include <array>

namespace postern {
namespace {

constexpr FuseOperation Broker(uint32_t opcode, const char* name, FuseOperation::Decode decode,
                               FuseOperation::Encode encode) {
  return {opcode, name, FuseRoute::kBroker, decode, encode, nullptr, nullptr};
}
constexpr FuseOperation Forget(uint32_t opcode, const char* name, FuseOperation::Decode decode) {
  return {opcode, name, FuseRoute::kForget, decode, nullptr, nullptr, nullptr};
}
constexpr FuseOperation File(uint32_t opcode, const char* name, FuseOperation::DecodeFile decode,
                             FuseOperation::EncodeFile encode) {
  return {opcode, name, FuseRoute::kFile, nullptr, nullptr, decode, encode};
}
constexpr FuseOperation Special(uint32_t opcode, const char* name, FuseRoute route) {
  return {opcode, name, route, nullptr, nullptr, nullptr, nullptr};
}

constexpr FuseOperation kOperations[] = {
    Broker(FUSE_LOOKUP, "lookup", &DecodeLookup, &EncodeEntry),
    Forget(FUSE_FORGET, "forget", &DecodeForget),
    Broker(FUSE_GETATTR, "getattr", &DecodeGetattr, &EncodeAttributes),
    Broker(FUSE_SETATTR, "setattr", &DecodeSetattr, &EncodeAttributes),
    Broker(FUSE_READLINK, "readlink", &DecodeReadlink, &EncodeLinkTarget),
    Broker(FUSE_SYMLINK, "symlink", &DecodeSymlink, &EncodeEntry),
    Broker(FUSE_MKNOD, "mknod", &DecodeMknod, &EncodeEntry),
    Broker(FUSE_MKDIR, "mkdir", &DecodeMkdir, &EncodeEntry),
    Broker(FUSE_UNLINK, "unlink", &DecodeUnlink, &EncodeNothing),
    Broker(FUSE_RMDIR, "rmdir", &DecodeRmdir, &EncodeNothing),
    Broker(FUSE_RENAME, "rename", &DecodeRename, &EncodeNothing),
    Broker(FUSE_LINK, "link", &DecodeLink, &EncodeEntry),
    Broker(FUSE_OPEN, "open", &DecodeOpen, &EncodeOpen),
    File(FUSE_READ, "read", &DecodeRead, nullptr),
    File(FUSE_WRITE, "write", &DecodeWrite, &EncodeWritten),
    Broker(FUSE_STATFS, "statfs", &DecodeStatfs, &EncodeStatfs),
    Broker(FUSE_RELEASE, "release", &DecodeRelease, &EncodeNothing),
    File(FUSE_FSYNC, "fsync", &DecodeFsync, nullptr),
    File(FUSE_FLUSH, "flush", &DecodeFlush, nullptr),
    Special(FUSE_INIT, "init", FuseRoute::kInitialize),
    Broker(FUSE_SETXATTR, "setxattr", &DecodeSetxattr, &EncodeNothing),
    Broker(FUSE_GETXATTR, "getxattr", &DecodeGetxattr, &EncodeExtendedAttribute),
    Broker(FUSE_LISTXATTR, "listxattr", &DecodeListxattr, &EncodeExtendedAttribute),
    Broker(FUSE_REMOVEXATTR, "removexattr", &DecodeRemovexattr, &EncodeNothing),
    Broker(FUSE_OPENDIR, "opendir", &DecodeOpendir, &EncodeOpendir),
    Broker(FUSE_READDIR, "readdir", &DecodeReaddir, &EncodeReaddir),
    Broker(FUSE_RELEASEDIR, "releasedir", &DecodeReleasedir, &EncodeNothing),
    Broker(FUSE_FSYNCDIR, "fsyncdir", &DecodeFsyncdir, &EncodeNothing),
    Broker(FUSE_ACCESS, "access", &DecodeAccess, &EncodeNothing),
    Broker(FUSE_CREATE, "create", &DecodeCreate, &EncodeCreate),
    Special(FUSE_INTERRUPT, "interrupt", FuseRoute::kIgnore),
    Broker(FUSE_DESTROY, "destroy", &DecodeDestroy, &EncodeNothing),
    Forget(FUSE_BATCH_FORGET, "batch_forget", &DecodeBatchForget),
    File(FUSE_FALLOCATE, "fallocate", &DecodeFallocate, nullptr),
    Broker(FUSE_READDIRPLUS, "readdirplus", &DecodeReaddirplus, &EncodeReaddirplus),
    Broker(FUSE_RENAME2, "rename2", &DecodeRename2, &EncodeNothing),
    File(FUSE_LSEEK, "lseek", &DecodeLseek, &EncodeOffset),
    File(FUSE_COPY_FILE_RANGE, "copy_file_range", &DecodeCopyFileRange, &EncodeWritten),
    Broker(FUSE_SYNCFS, "syncfs", &DecodeSyncfs, &EncodeNothing),
    Broker(FUSE_TMPFILE, "tmpfile", &DecodeTmpfile, &EncodeCreate),
    Broker(kFuseStatx, "statx", &DecodeStatx, &EncodeStatx),
    File(kFuseCopyFileRange64, "copy_file_range_64", &DecodeCopyFileRange, &EncodeCopied),
};

constexpr size_t kOpcodes = kFuseCopyFileRange64 + 1;

// Where each opcode's row is; -1 for none. Evaluated while compiling: an opcode out of range, or
// with two rows, is an error.
constexpr std::array<int8_t, kOpcodes> MakeIndex() {
  std::array<int8_t, kOpcodes> index{};
  for (int8_t& row : index) row = -1;
  int8_t next = 0;
  for (const FuseOperation& operation : kOperations) {
    if (index.at(operation.opcode) != -1) throw "two rows for one opcode";
    index[operation.opcode] = next++;
  }
  return index;
}
constexpr std::array<int8_t, kOpcodes> kIndex = MakeIndex();

#ifndef POSTERN_SANITIZED  // With -fsanitize=undefined no function's address is a constant to g++.
// Each route has the functions that it needs.
constexpr bool RowsAreWhole() {
  for (const FuseOperation& row : kOperations) {
    const bool asks = row.route == FuseRoute::kBroker || row.route == FuseRoute::kForget;
    if (asks != (row.decode != nullptr)) return false;
    if ((row.route == FuseRoute::kBroker) != (row.encode != nullptr)) return false;
    if ((row.route == FuseRoute::kFile) != (row.decode_file != nullptr)) return false;
  }
  return true;
}
static_assert(RowsAreWhole());
#endif

}  // namespace

const FuseOperation* FindFuseOperation(uint32_t opcode) {
  if (opcode >= kIndex.size() || kIndex[opcode] < 0) return nullptr;
  return &kOperations[kIndex[opcode]];
}

std::span<const FuseOperation> AllFuseOperations() { return kOperations; }

}  // namespace postern
