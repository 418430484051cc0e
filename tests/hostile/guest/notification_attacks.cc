// Kicks and calls: too many, none, and descriptors that aren't what they should be.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "tests/hostile/guest/attack_context.h"
#include "tests/hostile/guest/daemon_watch.h"

namespace postern::hostile {
namespace {

constexpr int kKicks = 20'000;
using Ack = vmm::VhostUserClient::Ack;

void Ask(AttackContext& context, int times) {
  const std::string request = Request({.opcode = FUSE_STATFS});
  for (int i = 0; i < times; ++i) {
    if (context.Send(request) > 0) context.Fail("STATFS failed");
  }
}

void KicksWithoutWork(AttackContext& context) {
  for (int i = 0; i < kKicks; ++i) context.ring().Kick();
  for (int i = 0; i < kKicks; ++i) context.ring(0).Kick();
  Ask(context, 1);
}

void KicksBesideWork(AttackContext& context) {
  std::atomic<bool> stop = false;
  std::thread kicker([&] {
    while (!stop.load(std::memory_order_relaxed)) context.ring().Kick();
  });
  Ask(context, 500);
  stop = true;
  kicker.join();
}

void KickCounterIsFull(AttackContext& context) {
  const uint64_t most = ~uint64_t{0} - 1;
  (void)!write(context.ring().kick_fd(), &most, sizeof(most));
  Ask(context, 1);
}

// Takes each kick away before the device can.
void KicksAreStolen(AttackContext& context) {
  std::atomic<bool> stop = false;
  std::thread thief([&] {
    uint64_t count;
    while (!stop.load(std::memory_order_relaxed)) {
      if (read(context.ring().kick_fd(), &count, sizeof(count)) > 0) context.ring().Kick();
    }
  });
  Ask(context, 300);
  stop = true;
  thief.join();
}

// Gives the device another call descriptor, and asks; then its own again.
void AskWithCall(AttackContext& context, int fd) {
  if (!context.client().SetVringCall(kAttacked, fd).ok()) context.set_ended();
  if (!context.front_end().Barrier().ok()) context.set_ended();
  Ask(context, 20);
  if (context.over()) return;
  (void)context.client().SetVringCall(kAttacked, context.ring().call_fd());
  (void)context.front_end().Barrier();
}

void CallCounterIsFull(AttackContext& context) {
  const UniqueFd full(eventfd(0, EFD_CLOEXEC));  // Blocking: the device mustn't wait for it.
  const uint64_t most = ~uint64_t{0} - 1;
  (void)!write(full.get(), &most, sizeof(most));
  AskWithCall(context, full.get());
}

void CallPipeIsFull(AttackContext& context) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return context.Fail("pipe");
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const char page[4096] = {};
  while (write(writer.get(), page, sizeof(page)) > 0) {
  }
  const int flags = fcntl(writer.get(), F_GETFL);
  fcntl(writer.get(), F_SETFL, flags & ~O_NONBLOCK);
  AskWithCall(context, writer.get());
}

void CallPipeHasNoReader(AttackContext& context) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return context.Fail("pipe");
  const UniqueFd writer(ends[1]);
  UniqueFd(ends[0]).Reset();
  AskWithCall(context, writer.get());
}

void CallSocketIsGone(AttackContext& context) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return context.Fail("socket");
  const UniqueFd ours(ends[1]);
  UniqueFd(ends[0]).Reset();
  AskWithCall(context, ours.get());
}

void CallIsADirectory(AttackContext& context) {
  const UniqueFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  AskWithCall(context, directory.get());
}

void CallIsAPath(AttackContext& context) {
  const UniqueFd path(open(context.Host(kCanary).c_str(), O_PATH | O_CLOEXEC));
  AskWithCall(context, path.get());
}

void CallIsMissing(AttackContext& context) { AskWithCall(context, -1); }

void CallIsTheKick(AttackContext& context) { AskWithCall(context, context.ring().kick_fd()); }

void CallIsTheConnection(AttackContext& context) {
  // What it writes there is no message; it is answered or not, but nothing else breaks.
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) < 0) return context.Fail("socket");
  const UniqueFd one(ends[0]);
  const UniqueFd other(ends[1]);
  AskWithCall(context, one.get());
}

// Starts the ring with a kick descriptor of this kind, asks, and gives it its own again.
void AskWithKick(AttackContext& context, int fd) {
  vmm::FrontEnd& front_end = context.front_end();
  if (!front_end.StopQueue(kAttacked).ok()) return context.set_ended();
  const uint16_t base = front_end.saved_base(kAttacked);
  const auto kicked = context.client().SetVringKick(kAttacked, fd, Ack::kYes);
  if (kicked.ok()) {
    (void)context.client().SetVringEnable(kAttacked, true, Ack::kYes);
    (void)context.client().SetVringCall(kAttacked, context.ring().call_fd());
  }
  if (context.ConnectionClosed()) return context.set_ended();
  if (!front_end.StopQueue(kAttacked).ok() || front_end.saved_base(kAttacked) != base) {
    return context.Fail("the ring doesn't stop");
  }
  if (!front_end.StartQueue(kAttacked).ok()) return context.Fail("the ring doesn't start");
  Ask(context, 5);
}

void KickIsADirectory(AttackContext& context) {
  const UniqueFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  AskWithKick(context, directory.get());
}

void KickIsAPath(AttackContext& context) {
  const UniqueFd path(open(context.Host(kCanary).c_str(), O_PATH | O_CLOEXEC));
  AskWithKick(context, path.get());
}

void KickPipeHasNoWriter(AttackContext& context) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return context.Fail("pipe");
  const UniqueFd reader(ends[0]);
  UniqueFd(ends[1]).Reset();
  AskWithKick(context, reader.get());
}

void KickIsAWriteEnd(AttackContext& context) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return context.Fail("pipe");
  const UniqueFd writer(ends[1]);
  UniqueFd(ends[0]).Reset();
  AskWithKick(context, writer.get());
}

void KickIsAListeningSocket(AttackContext& context) {
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (listen(listener.get(), 1) < 0) {
    // Unbound: it can't even listen. That is a kind of its own.
  }
  AskWithKick(context, listener.get());
}

// A ring whose kick descriptor is always readable and never empties: it mustn't keep a processor.
void KickNeverRests(AttackContext& context) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return context.Fail("pipe");
  const UniqueFd reader(ends[0]);
  UniqueFd(ends[1]).Reset();
  vmm::FrontEnd& front_end = context.front_end();
  if (!front_end.StopQueue(kAttacked).ok()) return context.set_ended();
  (void)context.client().SetVringKick(kAttacked, reader.get());
  (void)context.client().SetVringEnable(kAttacked, true, Ack::kYes);
  if (!ComesToRest(context.daemon(), context.options().patience)) context.Fail("doesn't rest");
  (void)context.client().SetVringKick(kAttacked, context.ring().kick_fd());
  (void)context.client().SetVringCall(kAttacked, context.ring().call_fd());
  if (!front_end.Barrier().ok()) context.set_ended();
}

Attack Row(std::string_view name, void (*run)(AttackContext&), int rounds = 6) {
  return {.family = "notification", .name = name, .run = run, .rounds = rounds};
}

}  // namespace

std::span<const Attack> NotificationAttacks() {
  static const Attack kAttacks[] = {
      Row("kicks-without-work", &KicksWithoutWork, 5),
      Row("kicks-beside-work", &KicksBesideWork, 3),
      Row("kick-counter-is-full", &KickCounterIsFull),
      Row("kicks-are-stolen", &KicksAreStolen, 1),
      Row("call-counter-is-full", &CallCounterIsFull),
      Row("call-pipe-is-full", &CallPipeIsFull),
      Row("call-pipe-has-no-reader", &CallPipeHasNoReader),
      Row("call-socket-is-gone", &CallSocketIsGone),
      Row("call-is-a-directory", &CallIsADirectory),
      Row("call-is-a-path", &CallIsAPath),
      Row("call-is-missing", &CallIsMissing),
      Row("call-is-the-kick", &CallIsTheKick),
      Row("call-is-a-socket", &CallIsTheConnection),
      Row("kick-is-a-directory", &KickIsADirectory),
      Row("kick-is-a-path", &KickIsAPath),
      Row("kick-pipe-has-no-writer", &KickPipeHasNoWriter),
      Row("kick-is-a-write-end", &KickIsAWriteEnd),
      Row("kick-is-an-unbound-socket", &KickIsAListeningSocket),
      Row("kick-never-rests", &KickNeverRests, 1),
  };
  return kAttacks;
}

}  // namespace postern::hostile
