#include "tests/vmm/temp_directory.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace postern::vmm {

namespace {

std::string DefaultParent() {
  const char* parent = std::getenv("TMPDIR");
  return parent != nullptr ? parent : "/tmp";
}

}  // namespace

TempDirectory::TempDirectory() : TempDirectory(DefaultParent()) {}

TempDirectory::TempDirectory(const std::string& parent) : path_(parent + "/postern-vmm-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) {
    std::perror(path_.c_str());
    std::abort();
  }
  // mkdtemp(3) gives 0700; a jailed daemon with another uid has to get in.
  chmod(path_.c_str(), 0755);
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace postern::vmm
