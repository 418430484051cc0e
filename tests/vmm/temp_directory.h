// A directory that lives as long as an object.
#ifndef POSTERN_TESTS_VMM_TEMP_DIRECTORY_H_
#define POSTERN_TESTS_VMM_TEMP_DIRECTORY_H_

#include <string>
#include <string_view>

namespace postern::vmm {

// Made below $TMPDIR (or /tmp) with mode 0755; removed with all that is in it. Aborts if it can't
// be made.
class TempDirectory {
 public:
  TempDirectory();
  // Below `parent` instead.
  explicit TempDirectory(const std::string& parent);
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_TEMP_DIRECTORY_H_
