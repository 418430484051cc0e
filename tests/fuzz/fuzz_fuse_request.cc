// A hostile guest's FUSE requests. The input is an opcode, what INIT settled, and the bytes behind
// the header. Besides surviving: whatever a decoder lets through, the broker must find well-formed,
// or a guest could end its session.
#include <array>

#include "broker/operations/operation_table.h"
#include "tests/fuzz/fuzz_input.h"
#include "worker/fuse/fuse_operations.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;  // NOLINT: libFuzzer's entry has C's name.
  FuzzInput input(data, size);
  fuse_in_header header{};
  header.opcode = input.Take<uint8_t>();
  header.nodeid = input.Take<uint8_t>();
  header.uid = input.Take<uint32_t>();
  header.gid = input.Take<uint32_t>();
  header.total_extlen = input.Take<uint16_t>();
  const auto negotiated = input.Take<uint64_t>();
  const auto settings = input.Take<uint8_t>();
  const auto data_bytes = input.Take<uint32_t>();
  const auto reply_bytes = input.Take<uint32_t>();
  const auto arguments = input.TakeRest();

  FuseSession session;
  session.Begin(negotiated);
  OpenFiles open_files;
  const FuseOperation* operation = FindFuseOperation(header.opcode);
  if (operation == nullptr) return 0;
  FuseOptions options;
  options.xattr = (settings & 1) != 0;
  options.posix_acl = (settings & 2) != 0;
  options.security_label = (settings & 4) != 0;
  options.readonly = (settings & 8) != 0;
  options.writeback = (settings & 16) != 0;
  options.killpriv_v2 = (settings & 32) != 0;
  RequestNotes notes;
  const DecodeContext context{header, options, session, open_files, data_bytes, reply_bytes, notes};
  FuseArguments parser(arguments);
  if (operation->decode_file != nullptr) {
    FileOperation file;
    (void)operation->decode_file(context, parser, file);
  }
  if (operation->decode == nullptr) return 0;
  rpc::Request request;
  request.set_id(1);
  if (operation->route == FuseRoute::kForget) request.mutable_forget();  // As BrokerLink has it.
  if (!operation->decode(context, parser, request).ok()) return 0;
  const OperationRow* row = FindOperation(request.operation_case());
  POSTERN_HOLDS(row != nullptr);
  // A batch of no forgets is never sent.
  if (request.has_forget() && request.forget().items().empty()) return 0;
  const char* const wrong = row->check(request);
  if (wrong != nullptr) std::fprintf(stderr, "%s: %s\n", row->name, wrong);
  POSTERN_HOLDS(wrong == nullptr);
  return 0;
}
