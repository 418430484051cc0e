#include "worker/queue/fuse_reply_writer.h"

#include <cerrno>
#include <span>

#include "common/checked.h"

namespace postern {
namespace {

fuse_out_header MakeHeader(const PendingRequest& request, int error, size_t payload_bytes) {
  fuse_out_header header{};
  header.len = Narrow<uint32_t>(sizeof(header) + payload_bytes);
  header.error = -error;
  header.unique = request.header.unique;
  return header;
}

// False, and nothing written, if the chain has no room for it.
bool WriteHeader(PendingRequest& request, int error, size_t payload_bytes) {
  const fuse_out_header out = MakeHeader(request, error, payload_bytes);
  return request.chain.CopyToGuest(0, std::as_bytes(std::span(&out, 1)));
}

}  // namespace

bool FuseReplyWriter::EndWithPayload(Virtqueue& virtqueue, PendingRequest& request) {
  const std::span<const std::byte> reply =
      payload_.WithHeader(MakeHeader(request, 0, payload_.bytes().size()));
  if (!request.chain.CopyToGuest(0, reply)) return false;
  End(virtqueue, request, Narrow<uint32_t>(reply.size()));
  return true;
}

void FuseReplyWriter::EndWithFileResult(Virtqueue& virtqueue, PendingRequest& request) {
  const FileOperation& operation = request.file;
  if (operation.error != 0) {
    EndWithError(virtqueue, request, Errno(operation.error));
    return;
  }
  if (operation.kind == FileOperation::Kind::kRead) {
    // The data is behind the header's place already.
    const bool written = WriteHeader(request, 0, operation.result);
    End(virtqueue, request,
        written ? Narrow<uint32_t>(sizeof(fuse_out_header) + operation.result) : 0);
    return;
  }
  FusePayload& payload = StartPayload();
  if (request.operation->encode_file != nullptr) request.operation->encode_file(operation, payload);
  if (!EndWithPayload(virtqueue, request)) EndWithError(virtqueue, request, Errno(EIO));
}

uint32_t FuseReplyWriter::WriteError(PendingRequest& request, Errno error) {
  // FORGET and its like have no answer, and a chain without room for a header can't take one.
  const bool replies = request.operation == nullptr || request.operation->replies();
  return replies && WriteHeader(request, error.value(), 0) ? sizeof(fuse_out_header) : 0;
}

void FuseReplyWriter::EndWithError(Virtqueue& virtqueue, PendingRequest& request, Errno error) {
  End(virtqueue, request, WriteError(request, error));
}

void FuseReplyWriter::AnswerAhead(Virtqueue& virtqueue, PendingRequest& request, Errno error) {
  Complete(virtqueue, request, WriteError(request, error));
  requests_.MarkAnswered(request);
}

void FuseReplyWriter::End(Virtqueue& virtqueue, PendingRequest& request, uint32_t written) {
  Complete(virtqueue, request, written);
  requests_.Return(request);
}

void FuseReplyWriter::Complete(Virtqueue& virtqueue, const PendingRequest& request,
                               uint32_t written) {
  virtqueue.Push(request.chain.head(), written);
  const bool now = notifications_.Completed();
  if (notify_ == nullptr || !now) {
    virtqueue.Show();
  } else if (virtqueue.Publish()) {
    notify_();
  }
}

}  // namespace postern
