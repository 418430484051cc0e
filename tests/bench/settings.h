// What is to be measured, as the command line says.
#ifndef POSTERN_TESTS_BENCH_SETTINGS_H_
#define POSTERN_TESTS_BENCH_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace postern::bench {

struct Daemon {
  std::string name;
  std::vector<std::string> command;
};

struct Settings {
  std::vector<Daemon> daemons;
  std::vector<std::string> baselines;
  std::vector<size_t> depths = {1, 32};
  std::vector<size_t> queues = {1};
  std::string filter = ".*";
  std::string directory = "/tmp";
  std::string json;
  bool native = true;
  bool targets = false;
  bool list = false;
  uint64_t known_inodes = 0;
  uint64_t memory_inodes = 0;
  int idle_seconds = 0;
  int rounds = 5;
  int milliseconds = 500;
  int daemon_cpu = 1;
  int front_end_cpu = 0;
  int together = 1;    // Daemons of a kind at a time, each with a front end at work.
  int neighbours = 0;  // Other processes that compute, on the daemon's CPU.
  bool front_end_polls = false;
};

}  // namespace postern::bench

#endif  // POSTERN_TESTS_BENCH_SETTINGS_H_
