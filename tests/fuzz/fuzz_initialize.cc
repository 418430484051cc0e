// What every fuzz target does once.
#include "common/logging.h"

// libFuzzer's. Keeps the daemon's lines out of the way: a hostile input is worth one each.
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** argv) {
  postern::InitializeLogging((*argv)[0]);
  postern::ConfigureLogging({.level = postern::LogLevel::kOff, .share = {}});
  return 0;
}
