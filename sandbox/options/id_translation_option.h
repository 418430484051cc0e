// The grammar of --translate-uid and --translate-gid.
#ifndef POSTERN_SANDBOX_OPTIONS_ID_TRANSLATION_OPTION_H_
#define POSTERN_SANDBOX_OPTIONS_ID_TRANSLATION_OPTION_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/status.h"
#include "proto/config.pb.h"

namespace postern {

// One value of the option.
struct IdTranslationRule {
  bool to_host = false;   // Says what a guest's ids become.
  bool to_guest = false;  // Says what the host's ids become. With both, `source` is the guest's.
  config::IdRule::Kind kind = config::IdRule::KIND_UNSPECIFIED;
  uint32_t source = 0;
  uint32_t target = 0;  // Not of KIND_FORBID.
  uint32_t count = 0;
  std::string text;  // As given, for messages.
};

// "TYPE:NUMBER:…", with any ASCII character but letters, digits, "-" and "_" in place of ":". TYPE
// in any case: guest, host, squash-guest, squash-host, map (source, target, count), forbid-guest
// (source, count).
absl::StatusOr<IdTranslationRule> ParseIdTranslationRule(std::string_view text);

// All values together. An error: a range leaves the 32-bit ids (the last of which is none), or two
// ranges of one direction overlap.
absl::StatusOr<config::IdTranslation> CombineIdTranslation(
    std::span<const IdTranslationRule> rules);

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_ID_TRANSLATION_OPTION_H_
