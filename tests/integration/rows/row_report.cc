#include "tests/integration/rows/row_report.h"

#include <seccomp.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

namespace postern {
namespace {

constexpr char kUsed[] = "used";
constexpr char kRefused[] = "refused";

std::string NameOfCall(int number) {
  char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
  const std::string text = name != nullptr ? name : std::to_string(number);
  free(name);
  return text;
}

std::string Text(const SystemCall& call) {
  std::ostringstream text;
  text << NameOfCall(call.number) << "(" << std::hex;
  for (const uint64_t argument : call.arguments) text << " 0x" << argument;
  text << " )";
  return text.str();
}

const char* Text(RowUse use) {
  switch (use) {
    case RowUse::kAlways:
      return "always";
    case RowUse::kRare:
      return "rare";
    case RowUse::kElsewhere:
      return "elsewhere";
  }
  return "?";
}

}  // namespace

RowReport::RowReport()
    : processes_{{"posternd", LauncherPolicy(), {}, {}},
                 {"postern-broker", BrokerPolicy(), {}, {}},
                 {"postern-worker", WorkerPolicy(), {}, {}},
                 {"postern-sweeper", SweeperPolicy(), {}, {}}} {}

RowReport::Process* RowReport::Find(const std::string& name) {
  for (Process& process : processes_) {
    if (process.name == name) return &process;
  }
  return nullptr;
}

void RowReport::OnSealed(pid_t process, const std::string& name) { by_pid_[process] = Find(name); }

void RowReport::OnCall(pid_t pid, const SystemCall& call) {
  Process* process = by_pid_[pid];
  if (process == nullptr) return;
  bool allowed = call.number == SYS_tgkill;  // Its row has another process's id here.
  for (size_t i = 0; i < process->policy.size(); ++i) {
    if (!Allows(process->policy[i], call.number, call.arguments)) continue;
    process->used.insert(i);
    allowed = true;
  }
  if (!allowed) process->refused.insert(Text(call));
}

bool RowReport::AppendTo(const std::string& path) const {
  std::ofstream file(path, std::ios::app);
  for (const Process& process : processes_) {
    for (const size_t row : process.used)
      file << process.name << " " << kUsed << " " << row << "\n";
    for (const std::string& call : process.refused) {
      file << process.name << " " << kRefused << " " << call << "\n";
    }
  }
  file.flush();
  return file.good();
}

bool RowReport::Add(const std::string& path) {
  std::ifstream file(path);
  if (!file) return false;
  std::string name, kind, rest;
  while (file >> name >> kind && std::getline(file >> std::ws, rest)) {
    Process* process = Find(name);
    if (process == nullptr) return false;
    if (kind == kUsed) {
      process->used.insert(std::strtoul(rest.c_str(), nullptr, 10));
    } else {
      process->refused.insert(rest);
    }
  }
  return true;
}

bool RowReport::Judge() const {
  bool good = true;
  for (const Process& process : processes_) {
    std::cout << process.name << ": " << process.used.size() << " of " << process.policy.size()
              << " rows used\n";
    for (size_t i = 0; i < process.policy.size(); ++i) {
      const SeccompRow& row = process.policy[i];
      if (process.used.contains(i)) continue;
      std::cout << "  unused: " << NameOfCall(row.syscall) << " (" << Text(row.use)
                << "): " << row.reason << "\n";
      if (row.use == RowUse::kAlways && row.syscall >= 0) good = false;
    }
    for (const std::string& call : process.refused) {
      std::cout << "  REFUSED: " << call << "\n";
      good = false;
    }
  }
  return good;
}

}  // namespace postern
