#include "worker/broker_link.h"

#include <utility>

#include "common/checked.h"
#include "worker/fuse_decode.h"

namespace postern {
namespace {

// As proto/rpc.proto says.
constexpr int kMaxRequests = 64;

// A batch takes no more once its requests, but for the forgets, exceed this.
constexpr size_t kBatchBytes = 16 * 1024;
// Nor once it has as many forgets.
constexpr int kBatchForgets = kMaxForgetItems / 2;
// The largest request that a decoder makes is a symlink with a security context: value, target,
// two names, 32 groups. A BATCH_FORGET is smaller. So what CanAdd() allows always fits a message.
constexpr size_t kForgetBytes = 24;
constexpr size_t kLargestRequest = 65536 + 4096 + 2 * 256 + 32 * 6 + 128;
static_assert(kMaxForgetItems * kForgetBytes < kLargestRequest);
static_assert(kBatchBytes + kBatchForgets * kForgetBytes + kLargestRequest + 1024 <
              kMaxMessageBytes);

constexpr size_t kArenaBlockBytes = 32 * 1024;

std::unique_ptr<google::protobuf::Arena> MakeArena(char* block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = kArenaBlockBytes;
  return std::make_unique<google::protobuf::Arena>(options);
}

}  // namespace

BrokerLink::BrokerLink(Channel channel)
    : channel_(std::move(channel)),
      request_block_(std::make_unique<char[]>(kArenaBlockBytes)),
      reply_block_(std::make_unique<char[]>(kArenaBlockBytes)),
      request_arena_(MakeArena(request_block_.get())),
      reply_arena_(MakeArena(reply_block_.get())) {
  StartBatch();
}

void BrokerLink::StartBatch() {
  request_arena_->Reset();
  batch_ = google::protobuf::Arena::CreateMessage<rpc::RequestBatch>(request_arena_.get());
  forget_ = nullptr;
  last_ = nullptr;
  bytes_ = 0;
}

void BrokerLink::CountLast() {
  if (last_ != nullptr) bytes_ += last_->ByteSizeLong();
  last_ = nullptr;
}

rpc::Request& BrokerLink::Add(uint64_t id) {
  CountLast();
  last_ = batch_->add_requests();
  last_->set_id(id);
  return *last_;
}

void BrokerLink::RemoveLast() {
  batch_->mutable_requests()->RemoveLast();
  last_ = nullptr;
}

rpc::Request& BrokerLink::Forget() {
  if (forget_ == nullptr) {
    forget_ = batch_->add_requests();
    forget_->set_id(UINT64_MAX);  // Nobody answers it.
    forget_->mutable_forget();
  }
  return *forget_;
}

bool BrokerLink::CanAdd() {
  CountLast();
  if (blocked_ || bytes_ > kBatchBytes) return false;
  // One place is kept for the forgets.
  if (batch_->requests_size() >= kMaxRequests - 1) return false;
  return forget_ == nullptr || forget_->forget().items_size() < kBatchForgets;
}

ErrnoOrVoid BrokerLink::Flush() {
  if (forget_ != nullptr && forget_->forget().items().empty()) {
    // Its decoder failed. An empty request is malformed, and nothing else was added after it
    // without being counted.
    for (int i = 0; i < batch_->requests_size(); ++i) {
      if (batch_->mutable_requests(i) != forget_) continue;
      batch_->mutable_requests()->DeleteSubrange(i, 1);
      break;
    }
    forget_ = nullptr;
  }
  if (batch_->requests_size() == 0) return {};
  const ErrnoOrVoid sent = channel_.SendMessage(*batch_, {}, Channel::Wait::kDontBlock);
  blocked_ = sent.errno_value() == EAGAIN;
  if (blocked_) return {};
  POSTERN_RETURN_IF_ERROR(sent);
  StartBatch();
  return {};
}

ErrnoOr<BrokerLink::Replies> BrokerLink::Receive() {
  POSTERN_ASSIGN_OR_RETURN(
      ReceivedMessage message,
      channel_.Receive(kMaxMessageDescriptors, Channel::Wait::kDontBlock, Channel::Loss::kReport));
  reply_arena_->Reset();
  auto* batch = google::protobuf::Arena::CreateMessage<rpc::ReplyBatch>(reply_arena_.get());
  if (!batch->ParseFromArray(message.bytes.data(), Narrow<int>(message.bytes.size()))) {
    return Errno(EBADMSG);
  }
  return Replies{batch, std::move(message.descriptors), message.descriptors_lost};
}

}  // namespace postern
