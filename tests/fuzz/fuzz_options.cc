// What an administrator's tools may put into options whose values have a grammar: the first byte
// says which.
#include <array>
#include <string_view>

#include "sandbox/options/capability_option.h"
#include "sandbox/options/compat_options.h"
#include "sandbox/options/id_map_option.h"
#include "sandbox/options/id_translation_option.h"
#include "sandbox/options/options.h"
#include "sandbox/options/xattr_map_option.h"
#include "tests/fuzz/fuzz_input.h"

namespace postern {
namespace {

constexpr uint64_t kIds = uint64_t{1} << 32;

void ExpectSane(const google::protobuf::RepeatedPtrField<config::IdRule>& rules) {
  uint64_t end = 0;
  for (const config::IdRule& rule : rules) {
    POSTERN_HOLDS(rule.kind() != config::IdRule::KIND_UNSPECIFIED && rule.count() > 0);
    POSTERN_HOLDS(rule.first() >= end);  // In order, and none overlaps another.
    end = uint64_t{rule.first()} + rule.count();
    POSTERN_HOLDS(end <= kIds);
    if (rule.kind() != config::IdRule::KIND_SHIFT) continue;
    POSTERN_HOLDS(uint64_t{rule.target()} + rule.count() <= kIds);
  }
}

// Several rules, one per line.
void Translate(std::string_view text) {
  std::vector<IdTranslationRule> rules;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    auto rule = ParseIdTranslationRule(text.substr(0, end));
    if (!rule.ok()) return;
    rules.push_back(*std::move(rule));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto translation = CombineIdTranslation(rules);
  if (!translation.ok()) return;
  ExpectSane(translation->to_host());
  ExpectSane(translation->to_guest());
}

void MapXattrs(std::string_view text) {
  const auto rules = ParseXattrMap(text);
  if (!rules.ok()) return;
  // Every name must find its rule, in both directions.
  bool client = false;
  bool server = false;
  for (const config::XattrRule& rule : *rules) {
    client |= rule.for_client() && rule.key().empty();
    server |= rule.for_server() && rule.prepend().empty();
  }
  POSTERN_HOLDS(client && server);
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;  // NOLINT: libFuzzer's entry has C's name.
  FuzzInput input(data, size);
  const auto which = input.Take<uint8_t>();
  const auto bytes = input.TakeRest();
  // Safe because bytes may be seen as characters.
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  switch (which % 5) {
    case 0:
      MapXattrs(text);
      break;
    case 1:
      Translate(text);
      break;
    case 2:
      (void)ParseIdMapRange(text).ok();
      break;
    case 3:
      (void)ParseCapabilityChanges(text).ok();
      break;
    case 4: {
      Options options;
      (void)ApplyCompatOptions(text, options).ok();
      break;
    }
  }
  return 0;
}
