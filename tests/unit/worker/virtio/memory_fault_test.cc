#include "worker/virtio/memory_fault.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "common/unique_fd.h"

namespace postern {
namespace {

constexpr size_t kBytes = 4096;

void TouchMemoryWhoseFileWasCut() {
  EndOnMemoryFault();
  const UniqueFd file(memfd_create("guest", MFD_CLOEXEC));
  if (ftruncate(file.get(), kBytes) < 0) _exit(2);
  void* const memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED || ftruncate(file.get(), 0) < 0) _exit(2);
  *static_cast<volatile char*>(memory) = 1;
  _exit(0);
}

void GetSigbusFromAnotherProcess() {
  EndOnMemoryFault();
  kill(getpid(), SIGBUS);
  _exit(0);
}

TEST(MemoryFaultTest, MemoryWhoseFileWasCutEndsTheProcessWithALine) {
  EXPECT_EXIT(TouchMemoryWhoseFileWasCut(), testing::ExitedWithCode(EXIT_FAILURE),
              "guest memory is gone");
}

TEST(MemoryFaultTest, SigbusFromAnotherProcessEndsItAsUsual) {
  EXPECT_EXIT(GetSigbusFromAnotherProcess(), testing::KilledBySignal(SIGBUS), "^$");
}

}  // namespace
}  // namespace postern
