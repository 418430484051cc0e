#include "tests/hostile/worker/attack_requests.h"

#include <utility>

namespace postern::requests {

std::string BatchOf(const std::vector<rpc::Request>& requests) {
  rpc::RequestBatch batch;
  for (const rpc::Request& request : requests) *batch.add_requests() = request;
  return batch.SerializeAsString();
}

std::string BatchOf(const rpc::Request& request) {
  return BatchOf(std::vector<rpc::Request>{WithId(request, 1)});
}

rpc::Request WithId(rpc::Request request, uint64_t id) {
  request.set_id(id);
  return request;
}

rpc::Request Initialize() {
  rpc::Request request;
  request.mutable_initialize()->set_supplementary_groups(true);
  return request;
}

rpc::Request Reset() {
  rpc::Request request;
  request.mutable_reset();
  return request;
}

rpc::Request Lookup(uint64_t parent, const std::string& name) {
  rpc::Request request;
  request.mutable_lookup()->set_parent(parent);
  request.mutable_lookup()->set_name(name);
  return request;
}

rpc::Request Forget(uint64_t node, uint64_t count) {
  rpc::Request request;
  rpc::ForgetRequest::Item& item = *request.mutable_forget()->add_items();
  item.set_node_id(node);
  item.set_count(count);
  return request;
}

rpc::Request Unlink(uint64_t parent, const std::string& name) {
  rpc::Request request;
  request.mutable_unlink()->set_parent(parent);
  request.mutable_unlink()->set_name(name);
  return request;
}

rpc::Request RemoveDirectory(uint64_t parent, const std::string& name) {
  rpc::Request request;
  request.mutable_remove_directory()->set_parent(parent);
  request.mutable_remove_directory()->set_name(name);
  return request;
}

rpc::Request Rename(uint64_t old_parent, const std::string& old_name, uint64_t new_parent,
                    const std::string& new_name, uint32_t flags) {
  rpc::Request request;
  rpc::RenameRequest& rename = *request.mutable_rename();
  rename.set_old_parent(old_parent);
  rename.set_old_name(old_name);
  rename.set_new_parent(new_parent);
  rename.set_new_name(new_name);
  rename.set_flags(flags);
  return request;
}

rpc::Request SetXattr(uint64_t node, const std::string& name, const std::string& value) {
  rpc::Request request;
  rpc::SetExtendedAttributeRequest& set = *request.mutable_set_extended_attribute();
  set.set_node_id(node);
  set.set_name(name);
  set.set_value(value);
  return request;
}

}  // namespace postern::requests
