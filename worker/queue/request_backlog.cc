#include "worker/queue/request_backlog.h"

#include <algorithm>
#include <utility>

#include "worker/fuse/fuse_decode.h"
#include "worker/queue/brokered_file.h"

namespace postern {

void RequestBacklog::AskForNextPart(PendingRequest& request) {
  if (!link_.HasRoom()) {
    parts_.push_back(&request);
    return;
  }
  // With a new id, so that a second answer to the last part isn't taken for one to this.
  request.file.at_broker = true;
  BrokerLink::Addition asked = link_.Add(request.NextRpcId());
  asked->set_session(request.notes.ticket.generation);
  AskForPart(request.file, request.chain, *asked);
  asked.Commit();
}

rpc::Request& RequestBacklog::Forgets(uint64_t session) {
  // Of one that has ended the broker would take none.
  if (forgets_.session() != session) forgets_.Clear();
  forgets_.set_session(session);
  return forgets_;
}

void RequestBacklog::Release(rpc::Request release) { releases_.push_back(std::move(release)); }

bool RequestBacklog::TakeReply(const rpc::Reply& reply) {
  if (reply.id() != kReleaseId || releases_asked_ == 0) return false;
  --releases_asked_;
  return true;
}

void RequestBacklog::FillBatch() {
  while (!parts_.empty() && link_.HasRoom()) {
    PendingRequest& request = *parts_.front();
    parts_.pop_front();
    AskForNextPart(request);
  }
  while (!releases_.empty() && link_.HasRoom()) {
    BrokerLink::Addition release = link_.Add(kReleaseId);
    *release = std::move(releases_.front());
    release->set_id(kReleaseId);
    release.Commit();
    releases_.pop_front();
    ++releases_asked_;
  }
  if (!has_forgets()) return;
  auto& items = *forgets_.mutable_forget()->mutable_items();
  while (!items.empty() && link_.HasRoom()) {
    auto& forget = *link_.Forget(forgets_.session()).mutable_forget();
    for (int count = std::min(items.size(), kMaxForgetItems); count > 0; --count) {
      *forget.add_items() = items[items.size() - 1];
      items.RemoveLast();
    }
  }
  // What it has once held takes no memory for the rest of the queue's life.
  if (items.empty()) forgets_ = rpc::Request();
}

void RequestBacklog::DropUndone() {
  releases_.clear();
  forgets_.Clear();
}

}  // namespace postern
