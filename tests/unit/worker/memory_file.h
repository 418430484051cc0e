// A file in memory.
#ifndef POSTERN_TESTS_UNIT_WORKER_MEMORY_FILE_H_
#define POSTERN_TESTS_UNIT_WORKER_MEMORY_FILE_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "common/unique_fd.h"

namespace postern {

// Holds `content`. Its filesystem doesn't know RWF_NOWAIT, so reading it is left to the I/O pool.
inline UniqueFd MemoryFile(const std::string& content = "") {
  UniqueFd fd(memfd_create("file", MFD_CLOEXEC));
  EXPECT_EQ(pwrite(fd.get(), content.data(), content.size(), 0),
            static_cast<ssize_t>(content.size()));
  return fd;
}

}  // namespace postern

#endif  // POSTERN_TESTS_UNIT_WORKER_MEMORY_FILE_H_
