#include "sandbox/options/compat_options.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "sandbox/options/option_table.h"
#include "sandbox/options/option_values.h"

namespace postern {
namespace {

// Not all that the long option takes, and "none" instead of its "never".
absl::Status SetCompatCache(std::string_view value, Options& options) {
  if (value == "none") return SetCache("never", options);
  if (value != "auto" && value != "always" && value != "metadata") return ErrorStatus("");
  return SetCache(value, options);
}

absl::Status SetCompatLogLevel(std::string_view value, Options& options) {
  if (value == "err") return SetLogLevel("error", options);
  if (value != "debug" && value != "info" && value != "warn") return ErrorStatus("");
  return SetLogLevel(value, options);
}

absl::Status SetCompatSandbox(std::string_view value, Options& options) {
  if (value != "namespace" && value != "chroot") return ErrorStatus("");
  return SetSandbox(value, options);
}

template <bool on>
absl::Status SetCompatPosixAcl(std::string_view, Options& options) {
  return SetPosixAcl(on ? "always" : "never", options);
}

template <bool on>
absl::Status SetCompatSecurityLabel(std::string_view, Options& options) {
  return SetSecurityLabel(on ? "always" : "never", options);
}

struct CompatItem {
  std::string_view name;
  bool has_value;
  OptionSetter set;
};

constexpr CompatItem kItems[] = {
    {"source", true, &SetSharedDir},
    {"cache", true, &SetCompatCache},
    {"xattrmap", true, &SetXattrMap},
    {"loglevel", true, &SetCompatLogLevel},
    {"sandbox", true, &SetCompatSandbox},
    {"modcaps", true, &SetModcaps},
    {"xattr", false, &SetFlag<&Options::xattr>},
    {"no_xattr", false, &SetFlag<&Options::xattr, false>},
    {"readdirplus", false, &SetFlag<&Options::no_readdirplus, false>},
    {"no_readdirplus", false, &SetFlag<&Options::no_readdirplus>},
    {"writeback", false, &SetFlag<&Options::writeback>},
    {"no_writeback", false, &SetFlag<&Options::writeback, false>},
    {"allow_direct_io", false, &SetFlag<&Options::allow_direct_io>},
    {"no_allow_direct_io", false, &SetFlag<&Options::allow_direct_io, false>},
    // It doesn't take --no-announce-submounts back.
    {"announce_submounts", false, &SetNothing},
    {"killpriv_v2", false, &SetFlag<&Options::killpriv_v2>},
    {"no_killpriv_v2", false, &SetFlag<&Options::killpriv_v2, false>},
    {"posix_acl", false, &SetCompatPosixAcl<true>},
    {"no_posix_acl", false, &SetCompatPosixAcl<false>},
    {"security_label", false, &SetCompatSecurityLabel<true>},
    {"no_security_label", false, &SetCompatSecurityLabel<false>},
    // What they turn off was never there.
    {"no_posix_lock", false, &SetNothing},
    {"no_flock", false, &SetNothing},
};

absl::Status ApplyItem(std::string_view item, Options& options) {
  const size_t equals = item.find('=');
  const bool has_value = equals != std::string_view::npos;
  const std::string_view name = item.substr(0, equals);
  const std::string_view value = has_value ? item.substr(equals + 1) : std::string_view();
  const auto* const row = std::ranges::find_if(kItems, [&](const CompatItem& known) {
    return known.name == name && known.has_value == has_value;
  });
  if (row == std::end(kItems) || value.find('=') != std::string_view::npos) {
    return ErrorStatus("Invalid compat argument '-o " + std::string(item) + "'");
  }
  const absl::Status set = row->set(value, options);
  if (set.ok()) return set;
  std::string text = "Invalid compat value '" + std::string(value) + "' for '-o ";
  text.append(name).append("'");
  if (!Text(set).empty()) text += ": " + Text(set);
  return ErrorStatus(text);
}

}  // namespace

absl::Status ApplyCompatOptions(std::string_view list, Options& options) {
  std::string item;
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] != ',') {
      item += list[i];
    } else if (list.substr(i + 1).starts_with(',')) {
      item += ',';
      ++i;
    } else {
      POSTERN_TRY(ApplyItem(item, options));
      item.clear();
    }
  }
  return ApplyItem(item, options);
}

}  // namespace postern
