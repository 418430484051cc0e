#include "sandbox/options/capability_option.h"

#include <optional>
#include <string>

namespace postern {

absl::StatusOr<CapabilityChanges> ParseCapabilityChanges(std::string_view text) {
  CapabilityChanges changes;
  for (;;) {
    const std::string_view item = text.substr(0, text.find(':'));
    if (item.empty()) return ErrorStatus("empty modcap found: expected (+|-)capability:...");
    const char action = item.front();
    if (action != '+' && action != '-') {
      return ErrorStatus(std::string("invalid modcap action: expecting '+'|'-' but found '") +
                         action + "'");
    }
    const std::string name(item.substr(1));
    const std::optional<int> capability = FindCapability(name);
    if (!capability)
      return ErrorStatus("invalid capability '" + name + "': there is none so named");
    const CapabilitySet one = {*capability};
    changes.added = changes.added - one;
    changes.removed = changes.removed - one;
    (action == '+' ? changes.added : changes.removed).Add(*capability);
    if (item.size() == text.size()) return changes;
    text.remove_prefix(item.size() + 1);
  }
}

}  // namespace postern
