#include "worker/queue/broker_link.h"

#include <algorithm>
#include <utility>

#include "common/checked.h"
#include "common/path_component.h"
#include "common/rpc/batch_framing.h"
#include "proto/bounds.h"
#include "worker/fuse/fuse_decode.h"

namespace postern {
namespace {

// A batch takes no more once its requests, but for the forgets, exceed this.
constexpr size_t kBatchBytes = 16 * 1024;
// Nor once it has as many forgets.
constexpr int kBatchForgets = kMaxForgetItems / 2;
// The largest request that a decoder makes is a symlink with a security context: value, target,
// two names, groups. The most forgets at a time are smaller. So what HasRoom() allows always
// fits a message, even if the forgets are of another session than those that it has.
constexpr size_t kForgetBytes = 24;
constexpr size_t kLargestRequest = rpc::kMaxXattrValueBytes + rpc::kMaxSymlinkTargetBytes +
                                   kMaxNameBytes + rpc::kMaxXattrNameBytes + 2 +
                                   rpc::kMaxSupplementaryGids * 6 + 128;
static_assert(kMaxForgetItems * kForgetBytes < kLargestRequest);
static_assert(kBatchBytes + kBatchForgets * kForgetBytes + kLargestRequest + 1024 <
              kMaxMessageBytes);

static_assert(rpc::RequestBatch::kRequestsFieldNumber == kBatchElementField);

constexpr size_t kRequestBlockBytes = 32 * 1024;
// A directory's listing is some times as large as its message. What isn't used costs no memory: the
// kernel gives none before.
constexpr size_t kReplyBlockBytes = 512 * 1024;

std::unique_ptr<google::protobuf::Arena> MakeArena(char* block, size_t size) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = size;
  return std::make_unique<google::protobuf::Arena>(options);
}

}  // namespace

BrokerLink::BrokerLink(RpcChannel channel)
    : channel_(std::move(channel)),
      request_block_(std::make_unique_for_overwrite<char[]>(kRequestBlockBytes)),
      reply_block_(std::make_unique_for_overwrite<char[]>(kReplyBlockBytes)),
      request_arena_(MakeArena(request_block_.get(), kRequestBlockBytes)),
      reply_arena_(MakeArena(reply_block_.get(), kReplyBlockBytes)),
      message_(std::make_unique<std::byte[]>(kMaxMessageBytes)) {
  StartBatch();
}

void BrokerLink::StartBatch() {
  request_arena_->Reset();
  bytes_ = 0;
  requests_ = 0;
  forget_ = nullptr;
}

void BrokerLink::Write(const rpc::Request& request) {
  const auto size = Narrow<uint32_t>(request.ByteSizeLong());
  // Safe because std::byte and uint8_t alias everything, HasRoom() keeps room for the largest
  // request, and ByteSizeLong() has just cached the sizes.
  auto* const begin = reinterpret_cast<uint8_t*>(message_.get());
  bytes_ = static_cast<size_t>(WriteElement(request, size, begin + bytes_) - begin);
}

BrokerLink::Addition BrokerLink::Add(uint64_t id) {
  auto* const request = google::protobuf::Arena::CreateMessage<rpc::Request>(request_arena_.get());
  request->set_id(id);
  return Addition(*this, request);
}

void BrokerLink::Put(const rpc::Request& request) {
  Write(request);
  ++requests_;
  ++unanswered_;
}

rpc::Request& BrokerLink::Forget(uint64_t session) {
  if (forget_ != nullptr && forget_->session() != session) WriteForget();
  if (forget_ == nullptr) {
    forget_ = google::protobuf::Arena::CreateMessage<rpc::Request>(request_arena_.get());
    forget_->set_id(UINT64_MAX);  // Nobody answers it.
    forget_->set_session(session);
    forget_->mutable_forget();
    ++requests_;
  }
  return *forget_;
}

void BrokerLink::WriteForget() {
  // If its decoder failed it is empty, which would be malformed.
  if (forget_ != nullptr && !forget_->forget().items().empty()) Write(*forget_);
  forget_ = nullptr;
}

bool BrokerLink::HasRoom() const {
  if (blocked_ || bytes_ > kBatchBytes) return false;
  // One place is kept for the forgets.
  if (requests_ >= rpc::kMaxBatchRequests - 1) return false;
  return forget_ == nullptr || forget_->forget().items_size() < kBatchForgets;
}

ErrnoOrVoid BrokerLink::Flush() {
  WriteForget();
  if (bytes_ == 0) {
    StartBatch();
    return {};
  }
  const ErrnoOrVoid sent = channel_.Send({message_.get(), bytes_}, {}, Channel::Wait::kDontBlock);
  blocked_ = sent.errno_value() == EAGAIN;
  if (blocked_) return {};
  POSTERN_RETURN_IF_ERROR(sent);
  StartBatch();
  return {};
}

ErrnoOr<BrokerLink::Replies> BrokerLink::Receive() {
  POSTERN_ASSIGN_OR_RETURN(ReceivedMessage message,
                           channel_.Receive(kMaxMessageDescriptors, Channel::Loss::kReport));
  reply_arena_->Reset();
  auto* batch = google::protobuf::Arena::CreateMessage<rpc::ReplyBatch>(reply_arena_.get());
  if (!batch->ParseFromArray(message.bytes.data(), Narrow<int>(message.bytes.size()))) {
    return Errno(EBADMSG);
  }
  // One that nobody asked for is found out, and ends everything, where it is matched.
  unanswered_ -= std::min(unanswered_, static_cast<size_t>(batch->replies_size()));
  return Replies{batch, std::move(message.descriptors), message.descriptors_lost};
}

}  // namespace postern
