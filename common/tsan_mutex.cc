// Tells ThreadSanitizer of absl::Mutex. The distribution's abseil isn't built for it, so that it
// sees neither locks nor unlocks there and takes each access that a Mutex guards for a race. In
// builds for ThreadSanitizer only; these definitions come before the library's, and call them.
#include <absl/base/config.h>
#include <absl/synchronization/mutex.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

// Newer headers define some of them inline, above functions that are nobody's business.
#if defined(ABSL_LTS_RELEASE_VERSION) && ABSL_LTS_RELEASE_VERSION >= 20240116
#error "ThreadSanitizer needs an abseil from before 2024 here, as Debian 12 has it"
#endif

extern "C" {
// ThreadSanitizer's run-time library (sanitizer/tsan_interface.h, and the older annotations).
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);

// A broker that ends its session exits in the middle of everything: its threads needn't be joined.
const char* __tsan_default_options() { return "report_thread_leaks=0"; }
}

namespace {

// The library's definition of a member function that this file defines too.
template <typename Function, typename Member>
Function LibrarysOwn(Member member) {
  // Safe because a pointer to a member function that isn't virtual begins with its address (Itanium
  // C++ ABI, 2.3), and an object pointer has the size of a function pointer here.
  void* ours = nullptr;
  std::memcpy(&ours, &member, sizeof(ours));
  Dl_info symbol;
  if (dladdr(ours, &symbol) == 0 || symbol.dli_sname == nullptr) std::abort();
  void* const found = dlsym(RTLD_NEXT, symbol.dli_sname);
  if (found == nullptr || found == ours) std::abort();
  Function function = nullptr;
  std::memcpy(&function, &found, sizeof(function));
  return function;
}

using absl::Condition;
using absl::Mutex;
using Plain = void (*)(Mutex*);
using WithCondition = void (*)(Mutex*, const Condition&);

// Who unlocks evaluates the conditions of who waits. Those reads are guarded by the mutex, but come
// after the release below.
void Release(Mutex* mutex, Plain unlock) {
  __tsan_release(mutex);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  unlock(mutex);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

// The library's search for deadlocks has locks of its own, which nobody tells of.
[[maybe_unused]] const bool kNoDeadlockSearch = [] {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return true;
}();

}  // namespace

void Mutex::Lock() {
  static const auto lock = LibrarysOwn<Plain>(&Mutex::Lock);
  lock(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static const auto unlock = LibrarysOwn<Plain>(&Mutex::Unlock);
  Release(this, unlock);
}

void Mutex::ReaderLock() {
  static const auto lock = LibrarysOwn<Plain>(&Mutex::ReaderLock);
  lock(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static const auto unlock = LibrarysOwn<Plain>(&Mutex::ReaderUnlock);
  Release(this, unlock);
}

void Mutex::LockWhen(const Condition& condition) {
  static const auto lock = LibrarysOwn<WithCondition>(&Mutex::LockWhen);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  lock(this, condition);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  __tsan_acquire(this);
}

void Mutex::Await(const Condition& condition) {
  static const auto await = LibrarysOwn<WithCondition>(&Mutex::Await);
  __tsan_release(this);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  await(this, condition);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  __tsan_acquire(this);
}
