// The host's fs.suid_dumpable, by which the kernel decides how dumpable a process is that changes
// its ids.
#ifndef POSTERN_TESTS_SUID_DUMPABLE_H_
#define POSTERN_TESTS_SUID_DUMPABLE_H_

#include <fstream>

namespace postern {

// While it lives the host lets such processes be inspected and dumped as any other, as on a
// debugger's machine. On other hosts a broker that forgets to forbid it is none the worse, and a
// test for that can't fail.
class SuidDumpableHost {
 public:
  SuidDumpableHost() : before_(Read()) { Write(1); }
  SuidDumpableHost(const SuidDumpableHost&) = delete;
  SuidDumpableHost& operator=(const SuidDumpableHost&) = delete;
  ~SuidDumpableHost() { Write(before_); }

  // False where /proc/sys is read-only, as in many containers.
  bool ok() const { return Read() == 1; }

 private:
  static constexpr char kPath[] = "/proc/sys/fs/suid_dumpable";
  static int Read() {
    int value = 0;
    std::ifstream(kPath) >> value;
    return value;
  }
  static void Write(int value) { std::ofstream(kPath) << value; }

  const int before_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_SUID_DUMPABLE_H_
