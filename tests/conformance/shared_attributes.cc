#include "tests/conformance/shared_attributes.h"

#include <sys/sysmacros.h>

namespace postern::conformance {

struct stat ToStat(const fuse_attr& attributes) {
  struct stat s {};
  s.st_ino = attributes.ino;
  s.st_mode = attributes.mode;
  s.st_nlink = attributes.nlink;
  s.st_uid = attributes.uid;
  s.st_gid = attributes.gid;
  s.st_size = static_cast<off_t>(attributes.size);
  s.st_blocks = static_cast<blkcnt_t>(attributes.blocks);
  s.st_blksize = static_cast<blksize_t>(attributes.blksize);
  s.st_rdev = makedev((attributes.rdev & 0xfff00) >> 8,
                      (attributes.rdev & 0xff) | ((attributes.rdev >> 12) & 0xfff00));
  // Seconds before 1970 come as large numbers; the kernel reads them as signed, too.
  s.st_atim = {static_cast<time_t>(attributes.atime), static_cast<long>(attributes.atimensec)};
  s.st_mtim = {static_cast<time_t>(attributes.mtime), static_cast<long>(attributes.mtimensec)};
  s.st_ctim = {static_cast<time_t>(attributes.ctime), static_cast<long>(attributes.ctimensec)};
  return s;
}

struct statvfs ToStatvfs(const fuse_kstatfs& values) {
  struct statvfs s {};
  s.f_bsize = values.bsize;
  s.f_frsize = values.frsize;
  s.f_blocks = values.blocks;
  s.f_bfree = values.bfree;
  s.f_bavail = values.bavail;
  s.f_files = values.files;
  s.f_ffree = values.ffree;
  s.f_namemax = values.namelen;
  return s;
}

uint32_t FuseDevice(dev_t device) {
  const uint32_t minor_number = minor(device);
  return (minor_number & 0xff) | (major(device) << 8) | ((minor_number & ~uint32_t{0xff}) << 12);
}

}  // namespace postern::conformance
