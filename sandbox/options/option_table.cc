#include "sandbox/options/option_table.h"

#include <algorithm>

#include "sandbox/options/option_values.h"

namespace postern {
namespace {

// In the order of the help.
constexpr OptionRow kOptions[] = {
    {"--shared-dir", "PATH", "Directory (or regular file) to share", nullptr, &SetSharedDir},
    {"--socket-path", "PATH", "Listening vhost-user socket to create",
     "A lock file PATH.pid is made beside it. Both are gone after the end.", &SetSocketPath},
    {"--socket", "PATH", "The same [deprecated: use --socket-path]", nullptr, &SetSocket},
    {"--fd", "FD", "Inherited listening vhost-user socket", "It must not be connected yet.",
     &SetFd},
    {"--keep-listening", nullptr, "Wait for the next front end when one disconnects",
     "With a new worker and a new broker: nothing of one virtual machine reaches the next.",
     &SetFlag<&Options::keep_listening>},
    {"--socket-group", "GROUP", "Group that may connect to the socket", nullptr, &SetSocketGroup},
    {"--tag", "TAG", "Tag by which the guest mounts, where the device carries it (1-36 bytes)",
     "Offers the front end the device's configuration space. QEMU has a tag of its own and "
     "ignores\n"
     "this one; User-Mode Linux needs it.",
     &SetTag},
    {"--thread-pool-size", "N", "Operations that may wait at a time; 0: 20 [0]",
     "For a disk or a server: so many on names and attributes, and so many on data. What doesn't\n"
     "wait is done by a thread for each queue.",
     &SetThreadPoolSize},
    {"--request-queues", "N", "Request queues offered (1-64) [one per processor, at most 8]",
     "How many are used is the front end's choice.", &SetRequestQueues},
    {"--poll-us", "N", "Look for work so many microseconds before sleeping; 0: sleep at once [50]",
     "At most 10000. Less is spent where it doesn't pay, and nothing while the guest is idle.",
     &SetPollMicroseconds},
    {"--xattr", nullptr, "Let the guest use extended attributes", nullptr,
     &SetFlag<&Options::xattr>},
    {"--posix-acl", "WHEN", "Let the guest use POSIX ACLs: never, auto or always [never]",
     "Implies --xattr. Without a value: always. A guest that doesn't know them can't mount;\n"
     "with auto it mounts without, which the log says.",
     &SetPosixAcl, /*needs_equals=*/true, "always"},
    {"--xattrmap", "RULES", "Rename, hide or refuse extended attributes (implies --xattr)",
     "Rules with white space between them; the first character of a rule separates its fields:\n"
     "  :TYPE:SCOPE:KEY:PREPEND:   TYPE prefix, ok, bad or unsupported; SCOPE client, server or "
     "all\n"
     "  :map:KEY:PREPEND:          the last rule; names that begin with KEY get PREPEND in front\n"
     "The first rule that matches decides. The rules must cover every name, in both directions.",
     &SetXattrMap},
    {"--security-label", "WHEN", "Store security labels of new files: never, auto, always [never]",
     "The guest sends its security module's label of a new file, which becomes an extended\n"
     "attribute. Implies --xattr. The values are those of --posix-acl.",
     &SetSecurityLabel, /*needs_equals=*/true, "always"},
    {"--sandbox", "MODE", "namespace, chroot or none [namespace]",
     "namespace: namespaces and a root of their own for broker and worker\n"
     "chroot:    changed roots only; root only\n"
     "none:      the caller's root; ids, capabilities and seccomp as in the other modes",
     &SetSandbox},
    {"--readonly", nullptr, "Don't let the guest change anything", nullptr,
     &SetFlag<&Options::readonly>},
    {"--seccomp", "ACTION", "On a forbidden system call: kill, log, trap; none: no filter [kill]",
     nullptr, &SetSeccomp},
    {"--modcaps", "LIST", "Change the broker's capabilities: +NAME:-NAME:...",
     "Example: +sys_admin:-mknod. Only the broker has capabilities: the worker never has one.\n"
     "Without effect where the broker isn't root.",
     &SetModcaps},
    {"--worker-user", "USER", "User that the worker runs as [postern if it exists, else nobody]",
     "For root only; any user but root. One that owns nothing is best.", &SetWorkerUser},
    {"--selinux-level", "LEVEL", "SELinux level of broker and worker, and of the socket made",
     "As s0:c1,c2: the machine's categories. By default those of the socket that --fd names.",
     &SetSelinuxLevel},
    {"--uid-map", ":INSIDE:OUTSIDE:COUNT:", "Map user ids into the sandbox's user namespace",
     "For a plain user with --sandbox=namespace. INSIDE is what the guest uses, OUTSIDE the "
     "host's\n"
     "id, which must be the caller's own or one of the subordinate ids in /etc/subuid. Give it\n"
     "again for more ranges.",
     &AddUidMap},
    {"--gid-map", ":INSIDE:OUTSIDE:COUNT:", "The same for group ids", nullptr, &AddGidMap},
    {"--translate-uid", "RULE", "Translate user ids between guest and host",
     "No user namespace is needed: the broker does it. Give it again for more rules:\n"
     "  guest:G:H:N         the guest's ids from G on (N of them) are H and on for the host\n"
     "  host:H:G:N          the host's ids from H on (N of them) are G and on for the guest\n"
     "  map:G:H:N           both\n"
     "  squash-guest:G:H:N  those of the guest are all H for the host\n"
     "  squash-host:H:G:N   those of the host are all G for the guest\n"
     "  forbid-guest:G:N    the guest may not use these\n"
     "Not with --posix-acl: ids in ACLs aren't translated.",
     &AddUidTranslation},
    {"--translate-gid", "RULE", "The same for group ids", nullptr, &AddGidTranslation},
    {"--announce-submounts", nullptr, "Tell the guest which directories are mount points [default]",
     nullptr, &SetFlag<&Options::no_announce_submounts, false>},
    {"--no-announce-submounts", nullptr, "Don't; the later of the two holds", nullptr,
     &SetFlag<&Options::no_announce_submounts>},
    {"--inode-file-handles", "MODE", "never, prefer or mandatory; only with '=' [prefer]",
     "Whether a file that the guest knows is held by a file handle instead of an open descriptor.\n"
     "prefer:    where the filesystem has file handles\n"
     "mandatory: other files can't be used\n"
     "fallback:  deprecated, means prefer",
     &SetInodeFileHandles, /*needs_equals=*/true},
    {"--cache", "MODE", "What the guest may cache: auto, always, never or metadata [auto]", nullptr,
     &SetCache},
    {"--allow-mmap", nullptr, "Shared mappings of files in spite of --cache=never or metadata",
     "Only where no one else uses the directory.", &SetFlag<&Options::allow_mmap>},
    {"--no-readdirplus", nullptr, "No attributes with directory entries", nullptr,
     &SetFlag<&Options::no_readdirplus>},
    {"--writeback", nullptr, "Let the guest collect writes in its cache", nullptr,
     &SetFlag<&Options::writeback>},
    {"--allow-direct-io", nullptr, "Pass the guest's O_DIRECT on to the host", nullptr,
     &SetFlag<&Options::allow_direct_io>},
    {"--preserve-noatime", nullptr, "Pass the guest's O_NOATIME on to the host", nullptr,
     &SetFlag<&Options::preserve_noatime>},
    {"--killpriv-v2", nullptr, "The host clears set-uid bits on a write, not the guest", nullptr,
     &SetFlag<&Options::killpriv_v2>},
    {"--no-killpriv-v2", nullptr, "The guest does [default]; the later of the two holds", nullptr,
     &SetFlag<&Options::killpriv_v2, false>},
    {"--rlimit-nofile", "N", "Limit of open files; 0: as it is [as high as it goes, to 1000000]",
     nullptr, &SetRlimitNofile},
    {"--max-inodes", "N", "The most files that the guest may know; 0: no limit [16777216]", nullptr,
     &SetMaxInodes},
    {"--migration-mode", "MODE", "find-paths or file-handles; without effect yet [find-paths]",
     nullptr, &SetMigrationMode},
    {"--migration-on-error", "WHAT", "abort or guest-error; without effect yet [abort]", nullptr,
     &SetMigrationOnError},
    {"--migration-verify-handles", nullptr, "Without effect yet; only with find-paths", nullptr,
     &SetFlag<&Options::migration_verify_handles>},
    {"--migration-confirm-paths", nullptr, "Without effect yet; only with find-paths", nullptr,
     &SetFlag<&Options::migration_confirm_paths>},
    {"--log-level", "LEVEL", "error, warn, info, debug, trace or off [info]",
     "The environment variable RUST_LOG, if it is set, wins.", &SetLogLevel},
    {"--syslog", nullptr, "Log to syslog instead of stderr", nullptr, &SetFlag<&Options::syslog>},
    {"-d", nullptr, "Log level debug [deprecated: use --log-level]", nullptr,
     &SetFlag<&Options::debug>},
    {"-f", nullptr, "Without effect [deprecated]", nullptr, &SetFlag<&Options::compat_foreground>},
    {"-o", "ITEM,...", "Options as older daemons took them [deprecated]",
     "source=PATH, cache=auto|always|none|metadata, xattrmap=RULES, modcaps=LIST,\n"
     "loglevel=debug|info|warn|err, sandbox=namespace|chroot, announce_submounts, and each of "
     "these\n"
     "with or without no_: xattr, readdirplus, writeback, allow_direct_io, killpriv_v2, "
     "posix_acl,\n"
     "security_label; no_posix_lock, no_flock. Applied after all other options.",
     &AddCompatOptions},
    {kPrintCapabilities, nullptr, "Print what this program can do, as JSON, and exit", nullptr,
     &SetNothing},
    {"-h,--help", nullptr, "Print this help (-h: in short) and exit", nullptr, &SetNothing},
    {"-V,--version", nullptr, "Print the version and exit", nullptr, &SetNothing},
};

constexpr char kDescription[] =
    "Shares a directory with a virtual machine (vhost-user back end for virtio-fs).";

// "-V, --version", "    --tag TAG".
std::string Heading(const OptionRow& row) {
  std::string text = row.name;
  if (text.starts_with("--")) {
    text.insert(0, "    ");
  } else if (const size_t comma = text.find(','); comma != std::string::npos) {
    text.insert(comma + 1, " ");
  }
  if (row.if_missing != nullptr) return text + "[=" + row.value + "]";
  if (row.value != nullptr) {
    text += row.needs_equals ? '=' : ' ';
    text += row.value;
  }
  return text;
}

void AppendIndented(std::string& text, std::string_view lines) {
  while (!lines.empty()) {
    const size_t size = std::min(lines.find('\n'), lines.size());
    text.append("          ").append(lines.substr(0, size)).append("\n");
    lines.remove_prefix(std::min(size + 1, lines.size()));
  }
}

}  // namespace

std::string OptionRow::LongName() const {
  const std::string_view names = name;
  const size_t position = names.find("--");
  return std::string(position == std::string_view::npos ? names : names.substr(position));
}

std::span<const OptionRow> OptionTable() { return kOptions; }

std::string HelpText(bool full) {
  constexpr size_t kColumn = 32;
  std::string text(kDescription);
  text.append("\n\n").append(kUsage).append("\nOptions:\n");
  for (const OptionRow& row : kOptions) {
    const std::string heading = "  " + Heading(row);
    text += heading;
    if (!full && heading.size() + 2 <= kColumn) {
      text.append(kColumn - heading.size(), ' ').append(row.summary).append("\n");
      continue;
    }
    text += "\n";
    if (full) {
      AppendIndented(text, row.summary);
      if (row.details != nullptr) AppendIndented(text, row.details);
      text += "\n";
    } else {
      text.append(kColumn, ' ').append(row.summary).append("\n");
    }
  }
  return text;
}

}  // namespace postern
