#include "sandbox/launcher/security_level.h"

#include <absl/strings/str_cat.h>
#include <selinux/context.h>
#include <selinux/selinux.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "common/logging.h"

namespace postern {
namespace {

constexpr char kOption[] = "--selinux-level";

struct FreeContext {
  void operator()(char* context) const { freecon(context); }
  void operator()(context_s_t* context) const { context_free(context); }
};
using ParsedContext = std::unique_ptr<context_s_t, FreeContext>;

// Takes what a function of libselinux returns by its last argument. errno is that function's.
template <typename Function, typename... Arguments>
std::optional<std::string> Get(Function function, Arguments... arguments) {
  char* text = nullptr;
  if (function(arguments..., &text) < 0 || text == nullptr) return std::nullopt;
  const std::unique_ptr<char, FreeContext> owner(text);
  return std::string(text);
}

std::string LowEnd(const std::string& range) { return range.substr(0, range.find('-')); }

std::string TypeOf(const std::string& context) {
  const ParsedContext parsed(context_new(context.c_str()));
  const char* type = parsed ? context_type_get(parsed.get()) : nullptr;
  return type != nullptr ? type : "";
}

// What the policy gives a new object of class `name` that this process makes of, or in, what has
// the context `source`.
absl::StatusOr<std::string> NewContext(const std::string& source, const char* name) {
  const auto own = Get(getcon_raw);
  if (!own) return ErrnoStatus("reading posternd's SELinux context");
  const security_class_t object = string_to_security_class(name);
  if (object == 0) return ErrnoStatus(absl::StrCat("looking up SELinux's class ", name));
  auto made = Get(security_compute_create_raw, own->c_str(), source.c_str(), object);
  if (!made) return ErrnoStatus("asking SELinux's policy for a context");
  return *std::move(made);
}

// The context in which the policy would have `program` executed.
absl::StatusOr<std::string> ContextByPolicy(const std::string& program) {
  const auto label = Get(getfilecon_raw, program.c_str());
  if (!label) return ErrnoStatus("reading the SELinux context of '" + program + "'");
  return NewContext(*label, "process");
}

}  // namespace

std::optional<std::string> WithLevel(const std::string& context, const std::string& level) {
  const ParsedContext parsed(context_new(context.c_str()));
  if (!parsed || context_range_get(parsed.get()) == nullptr) return std::nullopt;
  if (context_range_set(parsed.get(), level.c_str()) != 0) return std::nullopt;
  return context_str(parsed.get());
}

std::optional<std::string> LevelOf(const std::string& context) {
  const ParsedContext parsed(context_new(context.c_str()));
  const char* level = parsed ? context_range_get(parsed.get()) : nullptr;
  if (level == nullptr) return std::nullopt;
  return level;
}

absl::StatusOr<SecurityLevel> SecurityLevel::Choose(const std::optional<std::string>& option,
                                                    int socket) {
  SecurityLevel chosen;
  chosen.asked_for_ = option.has_value();
  if (is_selinux_enabled() <= 0) {
    if (option) return ErrorStatus(absl::StrCat(kOption, ": there is no SELinux on this host"));
    return chosen;
  }
  const std::string own = Get(getcon_raw).value_or("");
  const std::optional<std::string> own_level = LevelOf(own);
  if (!own_level) {
    if (option) return ErrorStatus(absl::StrCat(kOption, ": this host's policy has no levels"));
    return chosen;
  }
  if (option) {
    if (security_check_context_raw(WithLevel(own, *option).value_or("").c_str()) < 0) {
      return ErrorStatus(
          absl::StrCat(kOption, ": '", *option,
                       "' is no level of this host's policy, or not one for posternd's user"));
    }
    chosen.level_ = *option;
    return chosen;
  }
  std::string range = *own_level;
  if (socket >= 0) {
    const auto label = Get(fgetfilecon_raw, socket);
    if (!label) PLOG(WARNING) << "Can't read the SELinux context of the socket";
    if (label) range = LevelOf(*label).value_or(range);
  }
  chosen.level_ = LowEnd(range);
  return chosen;
}

absl::StatusOr<std::optional<std::string>> SecurityLevel::ContextFor(
    const std::string& program) const {
  if (!level_) return std::nullopt;
  const absl::StatusOr<std::string> made = ContextByPolicy(program);
  if (!made.ok()) {
    if (asked_for_) return made.status();
    // A domain that has no business with such questions, a container's for example.
    VLOG(1) << Text(made.status()) << ": '" << program << "' runs where the policy puts it";
    return std::nullopt;
  }
  if (TypeOf(*made) == TypeOf(Get(getcon_raw).value_or(""))) {
    if (!asked_for_) return std::nullopt;
    return WithAdvice(
        ErrorStatus(absl::StrCat(kOption, ": '", program, "' would run in posternd's domain")),
        "install the SELinux module postern, label the programs with restorecon, and start "
        "posternd in the domain postern_t, as systemd and libvirt do");
  }
  if (LevelOf(*made) == level_) return std::nullopt;
  return WithLevel(*made, *level_);
}

absl::Status SetContextOfExec(const std::string& context) {
  if (setexeccon_raw(context.c_str()) == 0) return absl::OkStatus();
  return ErrnoStatus("choosing the SELinux context " + context);
}

absl::StatusOr<ScopedLabel> ScopedLabel::OfFiles(const SecurityLevel& level, int directory,
                                                 mode_t type) {
  if (!level.level_ || !level.asked_for_) return ScopedLabel(nullptr);
  // A descriptor opened with O_PATH has no attributes that fgetxattr(2) would read.
  const std::string path = "/proc/self/fd/" + std::to_string(directory);
  const auto label = Get(getfilecon_raw, path.c_str());
  if (!label) return ErrnoStatus("reading the SELinux context of the socket's directory");
  POSTERN_TRY_ASSIGN(const std::string made,
                     NewContext(*label, S_ISSOCK(type) ? "sock_file" : "file"));
  const std::string wanted = WithLevel(made, *level.level_).value_or(made);
  if (setfscreatecon_raw(wanted.c_str()) < 0) {
    return ErrnoStatus(absl::StrCat(kOption, ": choosing the context ", wanted));
  }
  return ScopedLabel(&setfscreatecon_raw);
}

absl::StatusOr<ScopedLabel> ScopedLabel::OfSockets(const SecurityLevel& level) {
  if (!level.level_ || !level.asked_for_) return ScopedLabel(nullptr);
  const auto own = Get(getcon_raw);
  if (!own) return ErrnoStatus("reading posternd's SELinux context");
  const std::string wanted = WithLevel(*own, *level.level_).value_or(*own);
  if (setsockcreatecon_raw(wanted.c_str()) < 0) {
    return ErrnoStatus(absl::StrCat(kOption, ": choosing the context ", wanted));
  }
  return ScopedLabel(&setsockcreatecon_raw);
}

ScopedLabel::ScopedLabel(ScopedLabel&& other) noexcept
    : reset_(std::exchange(other.reset_, nullptr)) {}

ScopedLabel::~ScopedLabel() {
  if (reset_ != nullptr && reset_(nullptr) < 0) {
    PLOG(ERROR) << "Can't reset the SELinux context of what is made";
  }
}

}  // namespace postern
