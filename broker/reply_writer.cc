#include "broker/reply_writer.h"

#include <google/protobuf/io/coded_stream.h>

#include <array>

#include "common/checked.h"
#include "common/logging.h"

namespace postern {
namespace {

using google::protobuf::io::CodedOutputStream;

// A ReplyBatch is nothing but its field 1, repeated: written one by one (tag, length, message; wire
// type 2), a batch can be closed as soon as the next reply doesn't fit.
constexpr uint32_t kRepliesTag = rpc::ReplyBatch::kRepliesFieldNumber << 3 | 2;
static_assert(kRepliesTag < 0x80, "one byte");

}  // namespace

ReplyWriter::ReplyWriter() : buffer_(std::make_unique<std::byte[]>(kMaxMessageBytes)) {
  files_.reserve(kMaxMessageDescriptors);
}

void ReplyWriter::Begin(Channel& channel, absl::Mutex& mutex) {
  used_ = 0;
  replies_ = 0;
  files_.clear();
  channel_ = &channel;
  mutex_ = &mutex;
}

ErrnoOrVoid ReplyWriter::Add(const rpc::Reply& reply, OpenFileRef file) {
  const auto size = Narrow<uint32_t>(reply.ByteSizeLong());
  const size_t framed = 1 + CodedOutputStream::VarintSize32(size) + size;
  // What an operation answers is bounded below this by the operation itself.
  if (framed > kMaxMessageBytes) LOG(FATAL) << "a reply of " << framed << " bytes";
  if (framed > kMaxMessageBytes - used_ || replies_ == kMaxReplies ||
      (file != nullptr && files_.size() == kMaxMessageDescriptors)) {
    POSTERN_RETURN_IF_ERROR(Flush());
  }
  // Safe because std::byte and uint8_t alias everything, there is room for `framed` bytes, and
  // ByteSizeLong() has just cached the sizes.
  auto* const begin = reinterpret_cast<uint8_t*>(buffer_.get());
  uint8_t* to = begin + used_;
  to = CodedOutputStream::WriteVarint32ToArray(kRepliesTag, to);
  to = CodedOutputStream::WriteVarint32ToArray(size, to);
  to = reply.SerializeWithCachedSizesToArray(to);
  used_ = static_cast<size_t>(to - begin);
  ++replies_;
  if (file != nullptr) files_.push_back(std::move(file));
  return {};
}

ErrnoOrVoid ReplyWriter::Flush() {
  if (replies_ == 0) return {};
  std::array<int, kMaxMessageDescriptors> descriptors;
  for (size_t i = 0; i < files_.size(); ++i) descriptors[i] = files_[i]->fd();
  ErrnoOrVoid sent;
  {
    const absl::MutexLock lock(mutex_);
    sent = channel_->Send({buffer_.get(), used_}, std::span(descriptors).first(files_.size()));
  }
  used_ = 0;
  replies_ = 0;
  files_.clear();
  return sent;
}

}  // namespace postern
