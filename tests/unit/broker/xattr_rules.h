// Rules of --xattrmap, as the launcher would hand them over.
#ifndef POSTERN_TESTS_UNIT_BROKER_XATTR_RULES_H_
#define POSTERN_TESTS_UNIT_BROKER_XATTR_RULES_H_

#include <string>
#include <vector>

#include "broker/identity/xattr_map.h"
#include "proto/config.pb.h"

namespace postern {

enum class Scope { kClient, kServer, kAll };

struct XattrRuleText {
  config::XattrRule::Type type;
  Scope scope;
  std::string key;
  std::string prepend;
};

inline absl::StatusOr<XattrMap> MakeXattrMap(const std::vector<XattrRuleText>& rules) {
  google::protobuf::RepeatedPtrField<config::XattrRule> made;
  for (const XattrRuleText& text : rules) {
    config::XattrRule& rule = *made.Add();
    rule.set_type(text.type);
    rule.set_for_client(text.scope != Scope::kServer);
    rule.set_for_server(text.scope != Scope::kClient);
    rule.set_key(text.key);
    rule.set_prepend(text.prepend);
  }
  return XattrMap::Make(made);
}

// ":map::user.virtiofs.:"
inline XattrMap AllBelowUser() {
  return *MakeXattrMap({{config::XattrRule::TYPE_PREFIX, Scope::kAll, "", "user.virtiofs."},
                        {config::XattrRule::TYPE_BAD, Scope::kAll, "", ""}});
}

// "/map/trusted./user.virtiofs./"
inline XattrMap TrustedBelowUser() {
  return *MakeXattrMap({{config::XattrRule::TYPE_PREFIX, Scope::kAll, "trusted.", "user.virtiofs."},
                        {config::XattrRule::TYPE_BAD, Scope::kAll, "user.virtiofs.", "trusted."},
                        {config::XattrRule::TYPE_OK, Scope::kAll, "", ""}});
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_BROKER_XATTR_RULES_H_
