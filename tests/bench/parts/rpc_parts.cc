// The RPC's batches: filled, serialized, parsed. Items are requests or replies.
#include <benchmark/benchmark.h>

#include <string>

#include "tests/bench/parts/messages.h"

namespace postern::bench {
namespace {

void FillBatch(rpc::RequestBatch& batch, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    rpc::Request& request = *batch.add_requests();
    request.set_id(static_cast<uint64_t>(i + 1));
    request.mutable_lookup()->set_parent(kNode);
    request.mutable_lookup()->set_name(kName);
  }
}

void FillBatch(rpc::ReplyBatch& batch, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    rpc::Reply& reply = *batch.add_replies();
    reply.set_id(static_cast<uint64_t>(i + 1));
    FillEntry(*reply.mutable_entry());
  }
}

// As the sender does it: the message is reused.
template <typename Batch>
void EncodeBatch(benchmark::State& state) {
  Batch batch;
  std::string bytes(128 * 1024, '\0');
  for (auto _ : state) {
    batch.Clear();
    FillBatch(batch, state.range(0));
    size_t size = batch.ByteSizeLong();
    // Safe because bytes may be seen as characters.
    batch.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(bytes.data()));
    benchmark::DoNotOptimize(size);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_TEMPLATE(EncodeBatch, rpc::RequestBatch)->Arg(1)->Arg(32);
BENCHMARK_TEMPLATE(EncodeBatch, rpc::ReplyBatch)->Arg(1)->Arg(32);

template <typename Batch>
void DecodeBatch(benchmark::State& state) {
  Batch batch;
  FillBatch(batch, state.range(0));
  const std::string bytes = batch.SerializeAsString();
  for (auto _ : state) {
    if (!batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      state.SkipWithError("doesn't parse");
    }
    benchmark::DoNotOptimize(batch);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_TEMPLATE(DecodeBatch, rpc::RequestBatch)->Arg(1)->Arg(32);
BENCHMARK_TEMPLATE(DecodeBatch, rpc::ReplyBatch)->Arg(1)->Arg(32);

}  // namespace
}  // namespace postern::bench
