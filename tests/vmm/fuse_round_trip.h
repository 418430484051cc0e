// How FuseClient sends a request and waits for its reply; for its own .cc files only.
#ifndef POSTERN_TESTS_VMM_FUSE_ROUND_TRIP_H_
#define POSTERN_TESTS_VMM_FUSE_ROUND_TRIP_H_

#include <algorithm>
#include <utility>

#include "tests/vmm/fuse_client.h"

namespace postern::vmm {

// A call that waits for its completion; lives on the caller's stack.
struct FuseClient::Pending {
  bool done = false;
  int error = 0;
  Reply sizes;
  std::span<std::byte> arguments;

  static void Complete(void* context, const FuseReply& reply) {
    auto& pending = *static_cast<Pending*>(context);
    pending.done = true;
    pending.error = reply.error;
    pending.sizes = {.arguments = reply.arguments.size(), .data = reply.data_bytes};
    const size_t count = std::min(reply.arguments.size(), pending.arguments.size());
    std::copy_n(reply.arguments.data(), count, pending.arguments.data());
  }
};

template <typename Encode>
ErrnoOr<FuseClient::Reply> FuseClient::RoundTrip(std::span<std::byte> arguments, Encode&& encode) {
  POSTERN_ASSIGN_OR_RETURN(FuseRequest * request, BeginOrWait());
  encode(*request);
  request->set_credentials(credentials_);
  Pending pending;
  pending.arguments = arguments;
  while (true) {
    const auto submitted = queue_.Submit(*request, &Pending::Complete, &pending);
    if (submitted.ok()) break;
    if (submitted.error() != Errno(ENOSPC) || queue_.in_flight() == 0) {
      queue_.Discard(*request);
      return submitted.error();
    }
    POSTERN_RETURN_IF_ERROR(queue_.Wait(timeout_));
  }
  POSTERN_RETURN_IF_ERROR(Finish(pending));
  return pending.sizes;
}

template <typename T, typename Encode>
ErrnoOr<T> FuseClient::CallFor(Encode&& encode) {
  T value{};
  POSTERN_ASSIGN_OR_RETURN(
      const Reply reply,
      RoundTrip(std::as_writable_bytes(std::span(&value, 1)), std::forward<Encode>(encode)));
  if (reply.arguments != sizeof(T)) return Errno(EPROTO);
  return value;
}

template <typename Encode>
ErrnoOrVoid FuseClient::CallForNothing(Encode&& encode) {
  POSTERN_ASSIGN_OR_RETURN([[maybe_unused]] const Reply reply,
                           RoundTrip({}, std::forward<Encode>(encode)));
  return {};
}

}  // namespace postern::vmm

#endif  // POSTERN_TESTS_VMM_FUSE_ROUND_TRIP_H_
