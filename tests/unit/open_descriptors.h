// For tests that must end with the descriptors that they began with.
#ifndef POSTERN_TESTS_UNIT_OPEN_DESCRIPTORS_H_
#define POSTERN_TESTS_UNIT_OPEN_DESCRIPTORS_H_

#include <dirent.h>

#include <set>
#include <string>

namespace postern {

inline std::set<std::string> OpenDescriptors() {
  std::set<std::string> names;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) names.insert(entry->d_name);
  closedir(directory);
  return names;
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_OPEN_DESCRIPTORS_H_
