// The message channel between two threads, both asleep while they wait: there and back.
#include <benchmark/benchmark.h>

#include <string>
#include <thread>

#include "common/rpc/channel.h"
#include "tests/bench/parts/messages.h"

namespace postern::bench {
namespace {

void PingPong(benchmark::State& state) {
  auto pair = Channel::CreatePair();
  if (!pair.ok()) return state.SkipWithError("no socket pair");
  Channel& here = pair->first;
  std::thread other([there = std::move(pair->second)]() mutable {
    while (true) {
      const auto message = there.Receive(0);
      if (!message.ok() || !there.Send(message->bytes).ok()) return;
    }
  });
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    if (!here.Send(std::as_bytes(std::span(bytes))).ok() || !here.Receive(0).ok()) {
      state.SkipWithError("the other side is gone");
      break;
    }
  }
  here.TakeSocket().Reset();
  other.join();
}
// A lookup's request, and 32 of its replies.
BENCHMARK(PingPong)->Arg(32)->Arg(3200)->UseRealTime();

}  // namespace
}  // namespace postern::bench
