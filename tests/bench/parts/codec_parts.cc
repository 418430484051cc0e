// FUSE requests into what the broker is asked, and its answers into FUSE replies.
#include <benchmark/benchmark.h>

#include <span>
#include <string>

#include "tests/bench/parts/messages.h"
#include "worker/fuse/fuse_decode.h"
#include "worker/fuse/fuse_encode.h"

namespace postern::bench {
namespace {

// What coders may know of a request.
struct Request {
  Request() {
    header.nodeid = kNode;
    session.Begin(0);
  }
  DecodeContext Decoding() { return {header, options, session, open_files, 0, 4096, notes}; }
  EncodeContext Encoding() { return {header, options, session, open_files, notes, descriptor}; }

  fuse_in_header header = {};
  FuseOptions options;
  FuseSession session;
  OpenFiles open_files;
  RequestNotes notes;
  UniqueFd descriptor;
};

void DecodeLookupRequest(benchmark::State& state) {
  Request request;
  const std::span<const std::byte> name = std::as_bytes(std::span(kName));
  rpc::Request decoded;
  for (auto _ : state) {
    FuseArguments arguments(name);
    decoded.Clear();
    if (!DecodeLookup(request.Decoding(), arguments, decoded).ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(decoded);
  }
}
BENCHMARK(DecodeLookupRequest);

void DecodeGetattrRequest(benchmark::State& state) {
  Request request;
  const fuse_getattr_in in{};
  rpc::Request decoded;
  for (auto _ : state) {
    FuseArguments arguments(std::as_bytes(std::span(&in, 1)));
    decoded.Clear();
    if (!DecodeGetattr(request.Decoding(), arguments, decoded).ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(decoded);
  }
}
BENCHMARK(DecodeGetattrRequest);

void EncodeEntryReply(benchmark::State& state) {
  Request request;
  rpc::Reply reply;
  FillEntry(*reply.mutable_entry());
  FusePayload payload;
  for (auto _ : state) {
    payload.Clear();
    if (!EncodeEntry(request.Encoding(), reply, payload).ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(payload.bytes().data());
  }
}
BENCHMARK(EncodeEntryReply);

void EncodeAttributesReply(benchmark::State& state) {
  Request request;
  rpc::Reply reply;
  rpc::Entry entry;
  FillEntry(entry);
  *reply.mutable_attributes() = entry.attributes();
  FusePayload payload;
  for (auto _ : state) {
    payload.Clear();
    if (!EncodeAttributes(request.Encoding(), reply, payload).ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(payload.bytes().data());
  }
}
BENCHMARK(EncodeAttributesReply);

}  // namespace
}  // namespace postern::bench
