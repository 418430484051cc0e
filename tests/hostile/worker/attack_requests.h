// Further requests, of those that only a worker writes by hand.
#ifndef POSTERN_TESTS_HOSTILE_WORKER_ATTACK_REQUESTS_H_
#define POSTERN_TESTS_HOSTILE_WORKER_ATTACK_REQUESTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proto/rpc.pb.h"
#include "tests/unit/broker/requests.h"

namespace postern::requests {

// A message as bytes, for one that is then broken. The requests keep their ids.
std::string BatchOf(const std::vector<rpc::Request>& requests);
// Of one request, with id 1.
std::string BatchOf(const rpc::Request& request);
rpc::Request WithId(rpc::Request request, uint64_t id);

rpc::Request Initialize();
rpc::Request Reset();
rpc::Request Lookup(uint64_t parent, const std::string& name);
rpc::Request Forget(uint64_t node, uint64_t count);
rpc::Request Unlink(uint64_t parent, const std::string& name);
rpc::Request RemoveDirectory(uint64_t parent, const std::string& name);
rpc::Request Rename(uint64_t old_parent, const std::string& old_name, uint64_t new_parent,
                    const std::string& new_name, uint32_t flags = 0);
rpc::Request SetXattr(uint64_t node, const std::string& name, const std::string& value);

}  // namespace postern::requests

#endif  // POSTERN_TESTS_HOSTILE_WORKER_ATTACK_REQUESTS_H_
