// How RequestBatch and ReplyBatch (proto/rpc.proto) are written piece by piece, so that each of
// their messages is sized and written once, and a batch can be closed when the next doesn't fit.
#ifndef POSTERN_COMMON_RPC_BATCH_FRAMING_H_
#define POSTERN_COMMON_RPC_BATCH_FRAMING_H_

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <cstdint>

namespace postern {

// Both are a repeated message.
inline constexpr uint32_t kBatchElementField = 1;

// What WriteElement() writes of a message of `size` bytes.
inline size_t ElementBytes(uint32_t size) {
  return 1 + google::protobuf::io::CodedOutputStream::VarintSize32(size) + size;
}

// Writes one of the batch's messages (wire type 2) and returns its end. Precondition: `size` is
// what ByteSizeLong() has just returned, which caches the sizes, and there is room.
inline uint8_t* WriteElement(const google::protobuf::MessageLite& message, uint32_t size,
                             uint8_t* to) {
  using google::protobuf::io::CodedOutputStream;
  to = CodedOutputStream::WriteTagToArray(kBatchElementField << 3 | 2, to);
  to = CodedOutputStream::WriteVarint32ToArray(size, to);
  return message.SerializeWithCachedSizesToArray(to);
}

}  // namespace postern

#endif  // POSTERN_COMMON_RPC_BATCH_FRAMING_H_
