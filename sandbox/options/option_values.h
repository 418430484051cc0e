// One function per option: from the text of a value to Options.
#ifndef POSTERN_SANDBOX_OPTIONS_OPTION_VALUES_H_
#define POSTERN_SANDBOX_OPTIONS_OPTION_VALUES_H_

#include <string_view>

#include "common/status.h"
#include "sandbox/options/options.h"

namespace postern {

// Each is an OptionSetter.
absl::Status SetSharedDir(std::string_view value, Options& options);
absl::Status SetSocketPath(std::string_view value, Options& options);
absl::Status SetSocket(std::string_view value, Options& options);
absl::Status SetSocketGroup(std::string_view value, Options& options);
absl::Status SetFd(std::string_view value, Options& options);
absl::Status SetTag(std::string_view value, Options& options);
absl::Status SetLogLevel(std::string_view value, Options& options);
absl::Status SetThreadPoolSize(std::string_view value, Options& options);
absl::Status SetRequestQueues(std::string_view value, Options& options);
absl::Status SetPollMicroseconds(std::string_view value, Options& options);
absl::Status SetRlimitNofile(std::string_view value, Options& options);
absl::Status SetMaxInodes(std::string_view value, Options& options);
absl::Status SetSandbox(std::string_view value, Options& options);
absl::Status SetSeccomp(std::string_view value, Options& options);
absl::Status SetModcaps(std::string_view value, Options& options);
absl::Status SetWorkerUser(std::string_view value, Options& options);
absl::Status SetSelinuxLevel(std::string_view value, Options& options);
absl::Status AddUidMap(std::string_view value, Options& options);
absl::Status AddGidMap(std::string_view value, Options& options);
absl::Status SetCache(std::string_view value, Options& options);
absl::Status SetInodeFileHandles(std::string_view value, Options& options);
absl::Status SetPosixAcl(std::string_view value, Options& options);
absl::Status SetSecurityLabel(std::string_view value, Options& options);
absl::Status SetXattrMap(std::string_view value, Options& options);
absl::Status AddUidTranslation(std::string_view value, Options& options);
absl::Status AddGidTranslation(std::string_view value, Options& options);
absl::Status SetMigrationMode(std::string_view value, Options& options);
absl::Status SetMigrationOnError(std::string_view value, Options& options);
absl::Status AddCompatOptions(std::string_view value, Options& options);

// The OptionSetter of a flag.
template <bool Options::*flag, bool on = true>
absl::Status SetFlag(std::string_view, Options& options) {
  options.*flag = on;
  return absl::OkStatus();
}

// Of an option that is dealt with elsewhere.
inline absl::Status SetNothing(std::string_view, Options&) { return absl::OkStatus(); }

}  // namespace postern

#endif  // POSTERN_SANDBOX_OPTIONS_OPTION_VALUES_H_
