// The broker's inode table, by one and by two threads.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <span>
#include <vector>

#include "broker/inodes/inode_table.h"

namespace postern::bench {
namespace {

constexpr uint64_t kInodes = 4096;  // Of each thread.

// Numbers stand for files here, and are their handles, too. The key refers to `inode`.
InodeKey KeyOf(const uint64_t& inode) {
  return {.identity = {.device = 1, .inode = inode, .mount_id = 1},
          .handle = FileHandleView{.type = 1, .bytes = std::as_bytes(std::span(&inode, 1))}};
}

InodeParts PartsOf(const uint64_t& inode) {
  InodeParts parts;
  parts.key = KeyOf(inode);
  parts.type = S_IFREG;
  return parts;
}

class Table {
 public:
  static Table& Shared() {
    static Table* const table = new Table;
    return *table;
  }

  Table() : inodes_(Root()) {
    for (uint64_t i = 0; i < 2 * kInodes; ++i) {
      const uint64_t inode = 2 + i;
      auto inserted = inodes_.InsertOrFind(PartsOf(inode));
      if (!inserted.ok()) std::abort();
      ids_.push_back((*inserted)->id());
    }
  }
  InodeTable& inodes() { return inodes_; }
  NodeId id(size_t index) const { return ids_[index]; }

 private:
  static InodeParts Root() {
    InodeParts root;
    root.key.identity = {.device = 1, .inode = 1, .mount_id = 1};
    root.type = S_IFDIR;
    root.path.fd.Reset(open("/", O_PATH | O_CLOEXEC));
    return root;
  }

  InodeTable inodes_;
  std::vector<NodeId> ids_;
};

void Get(benchmark::State& state) {
  Table& table = Table::Shared();
  size_t turn = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.inodes().Get(table.id(turn)).ok());
    turn = (turn + 7) % (2 * kInodes);
  }
}
BENCHMARK(Get)->Threads(1)->Threads(2)->UseRealTime();

// A lookup of a known inode, and the forget that keeps its count from growing.
void FindAndForget(benchmark::State& state) {
  Table& table = Table::Shared();
  uint64_t turn = 0;
  for (auto _ : state) {
    const uint64_t inode = 2 + turn;
    const InodeRef found = table.inodes().FindAndCount(KeyOf(inode), S_IFREG, table.inodes().Now());
    if (!found) std::abort();
    table.inodes().Forget(found->id(), 1);
    turn = (turn + 7) % (2 * kInodes);
  }
}
BENCHMARK(FindAndForget)->Threads(1)->Threads(2)->UseRealTime();

void InsertAndForget(benchmark::State& state) {
  Table& table = Table::Shared();
  const uint64_t first = 1'000'000 * static_cast<uint64_t>(state.thread_index() + 1);
  uint64_t turn = 0;
  for (auto _ : state) {
    const uint64_t inode = first + turn++ % kInodes;
    const auto inserted = table.inodes().InsertOrFind(PartsOf(inode));
    if (!inserted.ok()) std::abort();
    table.inodes().Forget((*inserted)->id(), 1);
  }
}
BENCHMARK(InsertAndForget)->Threads(1)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace postern::bench
