// Requests as an honest worker writes them.
#ifndef POSTERN_TESTS_UNIT_BROKER_REQUESTS_H_
#define POSTERN_TESTS_UNIT_BROKER_REQUESTS_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "proto/rpc.pb.h"

namespace postern::requests {

inline constexpr uint64_t kRootNode = 1;

// Who asks.
struct As {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups = {};
};

inline void SetCaller(rpc::Credentials& credentials, const As& as) {
  credentials.set_uid(as.uid);
  credentials.set_gid(as.gid);
  for (const uint32_t gid : as.groups) credentials.add_supplementary_gids(gid);
}

inline rpc::Request Create(const std::string& name, uint32_t flags, uint32_t mode = 0644,
                           const As& as = {}, uint64_t parent = kRootNode) {
  rpc::Request request;
  rpc::CreateRequest& create = *request.mutable_create();
  create.set_parent(parent);
  create.set_name(name);
  create.set_flags(flags);
  create.set_mode(mode);
  SetCaller(*create.mutable_credentials(), as);
  return request;
}

inline rpc::Request CreateTemporary(uint32_t flags, uint32_t mode = 0644, const As& as = {},
                                    uint64_t parent = kRootNode) {
  rpc::Request request;
  rpc::CreateTemporaryFileRequest& create = *request.mutable_create_temporary_file();
  create.set_parent(parent);
  create.set_flags(flags);
  create.set_mode(mode);
  SetCaller(*create.mutable_credentials(), as);
  return request;
}

inline rpc::Request MakeDirectory(const std::string& name, uint32_t mode = 0755, const As& as = {},
                                  uint64_t parent = kRootNode) {
  rpc::Request request;
  rpc::MakeDirectoryRequest& make = *request.mutable_make_directory();
  make.set_parent(parent);
  make.set_name(name);
  make.set_mode(mode);
  SetCaller(*make.mutable_credentials(), as);
  return request;
}

inline rpc::Request MakeNode(const std::string& name, uint32_t mode, const As& as = {},
                             uint64_t parent = kRootNode) {
  rpc::Request request;
  rpc::MakeNodeRequest& make = *request.mutable_make_node();
  make.set_parent(parent);
  make.set_name(name);
  make.set_mode(mode);
  if (S_ISCHR(mode) || S_ISBLK(mode)) {
    make.set_rdev_major(1);
    make.set_rdev_minor(3);
  }
  SetCaller(*make.mutable_credentials(), as);
  return request;
}

inline rpc::Request Symlink(const std::string& name, const std::string& target, const As& as = {},
                            uint64_t parent = kRootNode) {
  rpc::Request request;
  rpc::SymlinkRequest& symlink = *request.mutable_symlink();
  symlink.set_parent(parent);
  symlink.set_name(name);
  symlink.set_target(target);
  SetCaller(*symlink.mutable_credentials(), as);
  return request;
}

inline rpc::Request Link(uint64_t node, const std::string& name) {
  rpc::Request request;
  request.mutable_link()->set_node_id(node);
  request.mutable_link()->set_new_parent(kRootNode);
  request.mutable_link()->set_new_name(name);
  return request;
}

inline rpc::Request Open(uint64_t node, uint32_t flags, bool kill_privileges = false) {
  rpc::Request request;
  request.mutable_open()->set_node_id(node);
  request.mutable_open()->set_flags(flags);
  request.mutable_open()->set_kill_privileges(kill_privileges);
  return request;
}

inline rpc::Request OpenDirectory(uint64_t node) {
  rpc::Request request;
  request.mutable_open_directory()->set_node_id(node);
  return request;
}
inline rpc::Request ReadDirectory(uint64_t node, uint64_t file, uint64_t offset, uint32_t budget,
                                  bool with_entries = false) {
  rpc::Request request;
  rpc::ReadDirectoryRequest& read = *request.mutable_read_directory();
  read.set_node_id(node);
  read.set_open_file_id(file);
  read.set_offset(offset);
  read.set_budget(budget);
  read.set_with_entries(with_entries);
  return request;
}

inline rpc::Request Access(uint64_t node, uint32_t mask, const As& as = {}) {
  rpc::Request request;
  request.mutable_access()->set_node_id(node);
  request.mutable_access()->set_mask(mask);
  SetCaller(*request.mutable_access()->mutable_credentials(), as);
  return request;
}

inline rpc::Request SetAttributes(uint64_t node) {
  rpc::Request request;
  request.mutable_set_attributes()->set_node_id(node);
  return request;
}
inline rpc::Request SetSize(uint64_t node, uint64_t size, bool kill_privileges = false) {
  rpc::Request request = SetAttributes(node);
  request.mutable_set_attributes()->set_size(size);
  request.mutable_set_attributes()->set_kill_privileges(kill_privileges);
  return request;
}
inline rpc::Request SetOwner(uint64_t node, uint32_t uid, uint32_t gid) {
  rpc::Request request = SetAttributes(node);
  request.mutable_set_attributes()->set_uid(uid);
  request.mutable_set_attributes()->set_gid(gid);
  return request;
}

inline rpc::Request GetAttributes(uint64_t node, bool with_birth_time = false) {
  rpc::Request request;
  request.mutable_get_attributes()->set_node_id(node);
  request.mutable_get_attributes()->set_with_birth_time(with_birth_time);
  return request;
}

inline rpc::Request WriteFile(uint64_t node, uint64_t file, uint64_t offset,
                              const std::string& data) {
  rpc::Request request;
  request.mutable_write_file()->set_node_id(node);
  request.mutable_write_file()->set_open_file_id(file);
  request.mutable_write_file()->set_offset(offset);
  request.mutable_write_file()->set_data(data);
  return request;
}

}  // namespace postern::requests

#endif  // POSTERN_TESTS_UNIT_BROKER_REQUESTS_H_
