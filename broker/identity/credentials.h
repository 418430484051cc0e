// Acting on a guest user's behalf: the credentials of one thread, switched and restored.
#ifndef POSTERN_BROKER_IDENTITY_CREDENTIALS_H_
#define POSTERN_BROKER_IDENTITY_CREDENTIALS_H_

#include <absl/container/inlined_vector.h>
#include <sys/types.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "common/errno_or.h"
#include "common/ids.h"

namespace postern {

// What all threads of the broker run with between requests.
class ProcessCredentials {
 public:
  // The calling thread's. Call it when the jail is closed: a capability that is given up later
  // couldn't be restored, and a guard that can't restore aborts. EINVAL if an id of the thread's
  // own could be left for another one and then not be had again: the user namespace doesn't map it.
  // Like a switch it leaves the process undumpable where it may switch.
  static ErrnoOr<ProcessCredentials> Capture();

  HostUid uid() const { return uid_; }
  HostGid gid() const { return gid_; }
  const std::vector<gid_t>& groups() const { return groups_; }
  // Bit n is capability n.
  uint64_t effective() const { return effective_; }
  uint64_t permitted() const { return permitted_; }
  uint64_t inheritable() const { return inheritable_; }

 private:
  ProcessCredentials() = default;

  HostUid uid_;
  HostGid gid_;
  std::vector<gid_t> groups_;
  uint64_t effective_ = 0;
  uint64_t permitted_ = 0;
  uint64_t inheritable_ = 0;
};

// On whose behalf an object is made, in the host's ids.
struct HostCredentials {
  HostUid uid;
  HostGid gid;
  absl::InlinedVector<gid_t, 4> groups;
};

// While it lives the calling thread has another user's effective ids, so that what it makes is
// owned as that user's. CAP_DAC_OVERRIDE, where the process has it, stays: the guest's kernel has
// checked the permissions, with groups, ACLs and capabilities of a user namespace that it tells
// nothing of (virtio-fs is mounted with default_permissions), and the guest's root could ask as
// root. The process stays undumpable, then and afterwards. Destroy it on the same thread. If the
// old state can't be restored the process aborts: it must not serve the next guest user as this
// one.
//
// Id 0 and the process's own ids aren't switched to: as root they are the same, and as a plain user
// the guest's root is the daemon's user.
class ScopedCredentials {
 public:
  // EPERM for an id that the user namespace doesn't map. On an error nothing has changed.
  static ErrnoOr<ScopedCredentials> Enter(const ProcessCredentials& own,
                                          const HostCredentials& wanted);

  ScopedCredentials(ScopedCredentials&& other) noexcept
      : own_(other.own_),
        groups_switched_(std::exchange(other.groups_switched_, false)),
        gid_switched_(std::exchange(other.gid_switched_, false)),
        uid_switched_(std::exchange(other.uid_switched_, false)) {}
  ScopedCredentials(const ScopedCredentials&) = delete;
  ScopedCredentials& operator=(const ScopedCredentials&) = delete;
  ~ScopedCredentials() { Restore(); }

 private:
  explicit ScopedCredentials(const ProcessCredentials& own) : own_(&own) {}
  void Restore();

  const ProcessCredentials* own_;
  bool groups_switched_ = false;
  bool gid_switched_ = false;
  bool uid_switched_ = false;
};

// While it lives the calling thread lacks CAP_FSETID, so that the kernel clears set-uid and set-gid
// bits on truncation and write as it does for a plain user. Aborts if it can't restore.
class ScopedNoFsetid {
 public:
  // Does nothing if not `wanted`, or if the process doesn't have the capability.
  ScopedNoFsetid(const ProcessCredentials& own, bool wanted);
  ScopedNoFsetid(const ScopedNoFsetid&) = delete;
  ScopedNoFsetid& operator=(const ScopedNoFsetid&) = delete;
  ~ScopedNoFsetid();

 private:
  const ProcessCredentials& own_;
  const bool dropped_;
};

}  // namespace postern

#endif  // POSTERN_BROKER_IDENTITY_CREDENTIALS_H_
