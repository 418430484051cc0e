// A directory for one test.
#ifndef POSTERN_TESTS_UNIT_SANDBOX_SCRATCH_H_
#define POSTERN_TESTS_UNIT_SANDBOX_SCRATCH_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace postern {

// Below the system's temporary directory; removed with everything in it.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_SANDBOX_SCRATCH_H_
