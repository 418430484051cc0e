#include "broker/identity/credentials.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <span>

#include "common/logging.h"

namespace postern {
namespace {

// The system calls themselves: glibc's wrappers of the same name change every thread of the
// process.
#ifdef SYS_setresuid32
constexpr long kSetresuid = SYS_setresuid32;
constexpr long kSetresgid = SYS_setresgid32;
constexpr long kSetgroups = SYS_setgroups32;
#else
constexpr long kSetresuid = SYS_setresuid;
constexpr long kSetresgid = SYS_setresgid;
constexpr long kSetgroups = SYS_setgroups;
#endif

constexpr uid_t kKeepUid = static_cast<uid_t>(-1);
constexpr gid_t kKeepGid = static_cast<gid_t>(-1);

// Each change of an effective id makes the whole process as dumpable as the host's fs.suid_dumpable
// says: a core then goes to the host's handler, or other processes may look inside.
ErrnoOrVoid Undumpable(const ErrnoOrVoid& changed) {
  POSTERN_RETURN_IF_ERROR(changed);
  return CheckSyscall(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

ErrnoOrVoid SetThreadEuid(HostUid uid) {
  return Undumpable(CheckSyscall(syscall(kSetresuid, kKeepUid, uid.value(), kKeepUid)));
}

ErrnoOrVoid SetThreadEgid(HostGid gid) {
  return Undumpable(CheckSyscall(syscall(kSetresgid, kKeepGid, gid.value(), kKeepGid)));
}

ErrnoOrVoid SetThreadGroups(std::span<const gid_t> groups) {
  return CheckSyscall(syscall(kSetgroups, groups.size(), groups.data()));
}

// capabilities(7), version 3: two words of 32 capabilities each.
ErrnoOrVoid SetThreadEffective(const ProcessCredentials& own, uint64_t effective) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (int word = 0; word < 2; ++word) {
    data[word].effective = static_cast<uint32_t>(effective >> (32 * word));
    data[word].permitted = static_cast<uint32_t>(own.permitted() >> (32 * word));
    data[word].inheritable = static_cast<uint32_t>(own.inheritable() >> (32 * word));
  }
  return CheckSyscall(syscall(SYS_capset, &header, data));
}

constexpr uint64_t Bit(int capability) { return uint64_t{1} << capability; }

// A thread with the wrong credentials must not reach its next request.
void AbortUnless(const ErrnoOrVoid& result, const char* step) {
  if (!result.ok()) LOG(FATAL) << "can't restore " << step << ": " << result.error().Message();
}

// An id that isn't the guest's to use reads EPERM whichever way the kernel says no: setresuid(2)
// gives EINVAL for an unmapped one, setgroups(2) gives EPERM where the namespace forbids it.
Errno IdError(Errno error) { return error == Errno(EINVAL) ? Errno(EPERM) : error; }

bool HasGroups(const ProcessCredentials& own, std::span<const gid_t> groups) {
  return std::all_of(groups.begin(), groups.end(), [&own](gid_t gid) {
    return gid == own.gid().value() ||
           std::find(own.groups().begin(), own.groups().end(), gid) != own.groups().end();
  });
}

// Whether what the thread has now can be had again after a switch. An id that the user namespace
// doesn't map reads as some other one, which can't be set or is somebody else's.
ErrnoOrVoid CheckRestorable(const ProcessCredentials& own) {
  if ((own.effective() & Bit(CAP_SETGID)) != 0) {
    const ErrnoOrVoid groups = SetThreadGroups(own.groups());
    // EPERM: no groups can be set at all in this user namespace, so that none are ever switched.
    if (!groups.ok() && groups.error() != Errno(EPERM)) return groups;
    POSTERN_RETURN_IF_ERROR(SetThreadEgid(own.gid()));
  }
  if ((own.effective() & Bit(CAP_SETUID)) != 0) return SetThreadEuid(own.uid());
  return {};
}

}  // namespace

ErrnoOr<ProcessCredentials> ProcessCredentials::Capture() {
  ProcessCredentials own;
  own.uid_ = HostUid(geteuid());
  own.gid_ = HostGid(getegid());
  const int count = getgroups(0, nullptr);
  if (count < 0) return Errno::Last();
  own.groups_.resize(static_cast<size_t>(count));
  if (getgroups(count, own.groups_.data()) < 0) return Errno::Last();
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return Errno::Last();
  own.effective_ = uint64_t{data[1].effective} << 32 | data[0].effective;
  own.permitted_ = uint64_t{data[1].permitted} << 32 | data[0].permitted;
  own.inheritable_ = uint64_t{data[1].inheritable} << 32 | data[0].inheritable;
  POSTERN_RETURN_IF_ERROR(CheckRestorable(own));
  return own;
}

ErrnoOr<ScopedCredentials> ScopedCredentials::Enter(const ProcessCredentials& own,
                                                    const HostCredentials& wanted) {
  const bool other_uid = wanted.uid != HostUid(0) && wanted.uid != own.uid();
  const bool other_gid = wanted.gid != HostGid(0) && wanted.gid != own.gid();
  const bool other = other_uid || other_gid;
  // Another user mustn't have the daemon's groups; and the same one needs no call for those that it
  // has, which a plain user's namespace would refuse.
  const bool other_groups =
      other ? !wanted.groups.empty() || !own.groups().empty() : !HasGroups(own, wanted.groups);

  // From here on each return undoes what has been done so far. Groups and gid go first: once the
  // uid has changed the right to change them is gone.
  ScopedCredentials guard(own);
  if (other_groups) {
    const ErrnoOrVoid result = SetThreadGroups(wanted.groups);
    if (!result.ok()) return IdError(result.error());
    guard.groups_switched_ = true;
  }
  if (other_gid) {
    const ErrnoOrVoid result = SetThreadEgid(wanted.gid);
    if (!result.ok()) return IdError(result.error());
    guard.gid_switched_ = true;
  }
  if (other_uid) {
    const ErrnoOrVoid result = SetThreadEuid(wanted.uid);
    if (!result.ok()) return IdError(result.error());
    guard.uid_switched_ = true;
    // The kernel has emptied the effective set if the process's user is 0; otherwise that is left
    // to us.
    const uint64_t effective = own.effective() & Bit(CAP_DAC_OVERRIDE);
    if (effective != 0 || (own.uid() != HostUid(0) && own.effective() != 0)) {
      POSTERN_RETURN_IF_ERROR(SetThreadEffective(own, effective));
    }
  }
  return guard;
}

void ScopedCredentials::Restore() {
  if (uid_switched_) {
    // Going back to 0 makes the effective set the permitted one again (capabilities(7)), which is
    // more than there was if the two differed.
    AbortUnless(SetThreadEuid(own_->uid()), "the thread's uid");
    if (own_->uid() != HostUid(0) || own_->effective() != own_->permitted()) {
      AbortUnless(SetThreadEffective(*own_, own_->effective()), "the thread's capabilities");
    }
  }
  if (gid_switched_) AbortUnless(SetThreadEgid(own_->gid()), "the thread's gid");
  if (groups_switched_) AbortUnless(SetThreadGroups(own_->groups()), "the thread's groups");
}

ScopedNoFsetid::ScopedNoFsetid(const ProcessCredentials& own, bool wanted)
    : own_(own), dropped_(wanted && (own.effective() & Bit(CAP_FSETID)) != 0) {
  // Giving up a capability can't fail; if it did, set-uid bits would stay that the guest wants
  // gone.
  if (dropped_) {
    AbortUnless(SetThreadEffective(own, own.effective() & ~Bit(CAP_FSETID)), "without CAP_FSETID");
  }
}

ScopedNoFsetid::~ScopedNoFsetid() {
  if (dropped_) AbortUnless(SetThreadEffective(own_, own_.effective()), "CAP_FSETID");
}

}  // namespace postern
