// POSIX ACLs as the kernel takes them.
#ifndef POSTERN_TESTS_UNIT_BROKER_ACL_BYTES_H_
#define POSTERN_TESTS_UNIT_BROKER_ACL_BYTES_H_

#include <cstdint>
#include <string>

namespace postern {

// By which group 2345 may do what `bits` says; owner, owning group, mask and others: `rest`.
inline std::string AclForGroup(uint16_t bits, uint16_t rest = 7) {
  std::string acl;
  const auto append = [&acl](uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) acl.push_back(static_cast<char>(value >> (8 * i)));
  };
  const auto entry = [&](uint16_t tag, uint16_t mode, uint32_t id) {
    append(tag, 2);
    append(mode, 2);
    append(id, 4);
  };
  append(2, 4);                   // POSIX_ACL_XATTR_VERSION
  entry(0x01, rest, 0xffffffff);  // ACL_USER_OBJ
  entry(0x04, rest, 0xffffffff);  // ACL_GROUP_OBJ
  entry(0x08, bits, 2345);        // ACL_GROUP
  entry(0x10, rest, 0xffffffff);  // ACL_MASK
  entry(0x20, rest, 0xffffffff);  // ACL_OTHER
  return acl;
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_ACL_BYTES_H_
