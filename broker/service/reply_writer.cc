#include "broker/service/reply_writer.h"

#include <array>

#include "common/checked.h"
#include "common/logging.h"
#include "common/mutex_lock.h"
#include "common/rpc/batch_framing.h"

namespace postern {
namespace {

static_assert(rpc::ReplyBatch::kRepliesFieldNumber == kBatchElementField);

// So many are worth a message; fewer only after a longer time.
constexpr size_t kManyReplies = 16;
constexpr int kPatience = 5;

}  // namespace

ReplyWriter::ReplyWriter(TakeBack take_back, std::chrono::microseconds delay)
    : take_back_(std::move(take_back)),
      delay_(delay),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kMaxMessageBytes)) {
  files_.reserve(kMaxMessageDescriptors);
}

void ReplyWriter::Begin(RpcChannel& channel, absl::Mutex& mutex, bool several) {
  used_ = 0;
  replies_ = 0;
  files_.clear();
  failure_ = {};
  several_ = several;
  if (several_) sent_ = std::chrono::steady_clock::now();
  channel_ = &channel;
  mutex_ = &mutex;
}

ErrnoOrVoid ReplyWriter::Add(const rpc::Reply& reply, OpenFileRef file) {
  const auto size = Narrow<uint32_t>(reply.ByteSizeLong());
  const size_t framed = ElementBytes(size);
  // What an operation answers is bounded below this by the operation itself.
  if (framed > kMaxMessageBytes) LOG(FATAL) << "a reply of " << framed << " bytes";
  if (framed > kMaxMessageBytes - used_ || replies_ == kMaxReplies ||
      (file != nullptr && files_.size() == kMaxMessageDescriptors)) {
    POSTERN_RETURN_IF_ERROR(Flush());
  }
  // Safe because std::byte and uint8_t alias everything, there is room for `framed` bytes, and
  // ByteSizeLong() has just cached the sizes.
  auto* const begin = reinterpret_cast<uint8_t*>(buffer_.get());
  used_ = static_cast<size_t>(WriteElement(reply, size, begin + used_) - begin);
  if (file != nullptr) files_.push_back({replies_, std::move(file)});
  ++replies_;
  return {};
}

ErrnoOrVoid ReplyWriter::FlushIfDue() {
  const auto waited = std::chrono::steady_clock::now() - sent_;
  if (waited < (replies_ < kManyReplies ? kPatience * delay_ : delay_)) return {};
  return Flush();
}

ErrnoOrVoid ReplyWriter::Flush() {
  if (replies_ == 0 || !failure_.ok()) return failure_;
  ErrnoOrVoid sent = Send();
  if (!sent.ok() && sent.error() == Errno(ETOOMANYREFS) && !files_.empty()) {
    POSTERN_LOG_ONCE(WARNING)
        << "more descriptors than the limit of open files lie unread in this user's sockets: the "
           "guest's files can't be opened meanwhile";
    TurnFilesIntoErrors();
    sent = Send();
  }
  used_ = 0;
  replies_ = 0;
  files_.clear();
  if (several_) sent_ = std::chrono::steady_clock::now();
  failure_ = sent;
  return sent;
}

ErrnoOrVoid ReplyWriter::Send() {
  std::array<int, kMaxMessageDescriptors> descriptors;
  for (size_t i = 0; i < files_.size(); ++i) descriptors[i] = files_[i].file->fd();
  const MutexLock lock(*mutex_);
  return channel_->Send({buffer_.get(), used_}, std::span(descriptors).first(files_.size()));
}

void ReplyWriter::TurnFilesIntoErrors() {
  rpc::ReplyBatch batch;
  // Of our own making, so it can be parsed.
  if (!batch.ParseFromArray(buffer_.get(), Narrow<int>(used_))) LOG(FATAL) << "own replies";
  for (const File& file : files_) {
    rpc::Reply& reply = *batch.mutable_replies(Narrow<int>(file.reply));
    take_back_(reply, file.file);
    reply.clear_result();
    reply.set_error(ENFILE);
  }
  files_.clear();
  // What an error takes is less than what it stands for.
  used_ = batch.ByteSizeLong();
  if (used_ > kMaxMessageBytes) LOG(FATAL) << "errors of " << used_ << " bytes";
  // Safe as in Add().
  batch.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(buffer_.get()));
}

}  // namespace postern
