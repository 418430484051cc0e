// FUSE's structures as the C library's.
#ifndef POSTERN_TESTS_CONFORMANCE_SHARED_ATTRIBUTES_H_
#define POSTERN_TESTS_CONFORMANCE_SHARED_ATTRIBUTES_H_

#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstddef>
#include <cstdint>

namespace postern::conformance {

inline constexpr size_t kPathBytes = 4096;  // PATH_MAX, its NUL included

struct stat ToStat(const fuse_attr& attributes);
struct statvfs ToStatvfs(const fuse_kstatfs& values);
// new_encode_dev() of include/linux/kdev_t.h: what rdev is in FUSE, both ways.
uint32_t FuseDevice(dev_t device);

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_SHARED_ATTRIBUTES_H_
