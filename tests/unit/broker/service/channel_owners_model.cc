#include "tests/unit/broker/service/channel_owners_model.h"

#include <absl/container/flat_hash_map.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

namespace postern {
namespace {

constexpr size_t kTimer = 99;  // An event that is no channel's.
constexpr size_t kNone = 98;

// The next step of a thread.
enum class Step {
  kBeginIdle,
  kWait,
  kEndIdle,
  kOwn,
  kAwake,
  kReceive,
  kBeginWork,
  kStartTimer,
  kWork,
  kEndWork,
  kRelease,
  kArm,   // The worker is to ring from here on.
  kLook,  // For what came before.
  kTimerExpired,
  kSweep,
};

struct Thread {
  Step step = Step::kBeginIdle;
  Step then = Step::kBeginIdle;  // After kLook, or kStartTimer.
  size_t event = kNone;
  size_t channel = 0;   // That it serves.
  size_t given_up = 0;  // That it has watched.
  size_t swept = 0;
  bool any_begun = false;
  ChannelOwners::Claim claim = 0;
  int in_a_row = 0;
  bool stuck = false;
};

struct Channel {
  int sent = 0;
  int unread = 0;
  int received = 0;
  bool armed = true;
  bool to_ring = false;  // The worker has published and not yet looked whether it has to ring.
  size_t receiver = kNone;
  int waited = 0;
};

struct World {
  ChannelOwners::State owners;
  std::vector<Thread> threads;
  std::vector<Channel> channels;
  std::deque<size_t> events;  // Each once, in the order in which epoll tells of them.
  bool timer_set = false;
};

class Model {
 public:
  explicit Model(const ModelSetup& setup)
      : setup_(setup),
        owners_(setup.messages.size(),
                setup.flaw == Flaw::kNoTurns ? 1'000'000 : setup.turn_messages) {}

  World First() const {
    return {.owners = owners_.SaveForTest(),
            .threads = std::vector<Thread>(setup_.threads),
            .channels = std::vector<Channel>(channels()),
            .events = {},
            .timer_set = false};
  }

  size_t channels() const { return setup_.messages.size(); }
  size_t actors() const { return setup_.threads + channels() + 1; }

  // The world after `actor`'s next step; none if it has none.
  std::optional<World> After(const World& before, size_t actor, std::string& failure) {
    world_ = before;
    owners_.RestoreForTest(world_.owners);
    failure_.clear();
    const bool moved =
        actor < setup_.threads ? RunThread(world_.threads[actor], actor)
        : actor < setup_.threads + channels()
            ? RunWorker(world_.channels[actor - setup_.threads], actor - setup_.threads)
            : RunTimer();
    if (!moved) return std::nullopt;
    world_.owners = owners_.SaveForTest();
    failure = failure_;
    return world_;
  }

  bool IsDone(const World& world) const {
    return setup_.endless != 0 || AllIsReceived(world);  // Or nothing ends.
  }

  static std::string KeyOf(const World& world);
  std::string Describe(const World& world, size_t actor) const;

 private:
  void Ring(size_t event) {
    if (std::ranges::find(world_.events, event) == world_.events.end()) {
      world_.events.push_back(event);
    }
  }
  void BecomesReceiver(size_t channel, size_t thread) {
    if (world_.channels[channel].receiver != kNone) failure_ = "two owners";
    world_.channels[channel].receiver = thread;
  }
  void GiveUp(Thread& thread, size_t channel, Step then) {
    thread.given_up = channel;
    thread.then = then;
    thread.step = Step::kArm;
  }
  void CountWait(size_t served);
  bool AllIsReceived(const World& world) const;
  bool RunThread(Thread& thread, size_t number);
  void Receive(Thread& thread);
  bool RunWorker(Channel& channel, size_t number);
  bool RunTimer();

  const ModelSetup setup_;
  ChannelOwners owners_;
  World world_;
  std::string failure_;
};

void Model::CountWait(size_t served) {
  if (world_.owners.idle_threads != 0) return;
  for (size_t i = 0; i < world_.channels.size(); ++i) {
    const bool waits = std::ranges::find(world_.events, i) != world_.events.end();
    if (i != served && waits) ++world_.channels[i].waited;
  }
}

bool Model::AllIsReceived(const World& world) const {
  for (size_t i = 0; i < channels(); ++i) {
    if (world.channels[i].received != setup_.messages[i]) return false;
  }
  return true;
}

void Model::Receive(Thread& thread) {
  Channel& channel = world_.channels[thread.channel];
  channel.waited = 0;
  if (channel.unread == 0) {
    thread.step = Step::kRelease;
    thread.then = Step::kBeginIdle;
    return;
  }
  --channel.unread;
  thread.stuck = setup_.first_is_stuck && thread.channel == 0 && channel.received == 0;
  const bool endless = thread.channel < setup_.endless;
  if (!endless) ++channel.received;
  CountWait(thread.channel);
  thread.step = setup_.flaw == Flaw::kTimerBeforeClaim ? Step::kStartTimer : Step::kBeginWork;
  thread.then = setup_.flaw == Flaw::kTimerBeforeClaim ? Step::kBeginWork : Step::kWork;
}

bool Model::RunThread(Thread& thread, size_t number) {
  switch (thread.step) {
    case Step::kBeginIdle:
      thread = Thread();
      owners_.BeginIdle();
      thread.step = Step::kWait;
      return true;
    case Step::kWait:
      if (world_.events.empty()) return false;
      thread.event = world_.events.front();
      world_.events.pop_front();
      thread.step = Step::kEndIdle;
      return true;
    case Step::kEndIdle:
      owners_.EndIdle();
      thread.channel = thread.event == kTimer ? 0 : thread.event;
      thread.step = thread.event == kTimer ? Step::kTimerExpired : Step::kOwn;
      return true;
    case Step::kOwn:
      if (!owners_.Own(thread.channel)) {
        thread.step = Step::kBeginIdle;
        return true;
      }
      BecomesReceiver(thread.channel, number);
      thread.step = Step::kAwake;
      return true;
    case Step::kAwake:
      world_.channels[thread.channel].armed = false;
      thread.step = owners_.IsTurnOver(thread.in_a_row) ? Step::kRelease : Step::kReceive;
      thread.then = Step::kBeginIdle;
      return true;
    case Step::kReceive:
      Receive(thread);
      return true;
    case Step::kBeginWork:
      world_.channels[thread.channel].receiver = kNone;
      thread.claim = owners_.BeginWork(thread.channel);
      thread.step = setup_.flaw == Flaw::kNoTimer || setup_.flaw == Flaw::kTimerBeforeClaim
                        ? Step::kWork
                        : Step::kStartTimer;
      thread.then = Step::kWork;
      return true;
    case Step::kStartTimer:
      if (owners_.StartsTimer()) world_.timer_set = true;
      thread.step = thread.then;
      return true;
    case Step::kWork:
      if (thread.stuck && !AllIsReceived(world_)) return false;
      ++thread.in_a_row;
      thread.step = Step::kEndWork;
      return true;
    case Step::kEndWork:
      if (!owners_.EndWork(thread.channel, thread.claim) && setup_.flaw != Flaw::kKeepsWhatItLost) {
        thread.step = Step::kBeginIdle;
        return true;
      }
      BecomesReceiver(thread.channel, number);
      thread.step = owners_.IsTurnOver(thread.in_a_row) ? Step::kRelease : Step::kReceive;
      thread.then = Step::kBeginIdle;
      return true;
    case Step::kRelease:
      world_.channels[thread.channel].receiver = kNone;
      owners_.Release(thread.channel);
      GiveUp(thread, thread.channel, thread.then);
      return true;
    case Step::kArm:
      world_.channels[thread.given_up].armed = true;
      thread.step = setup_.flaw == Flaw::kNoLookAfterRelease ? thread.then : Step::kLook;
      return true;
    case Step::kLook:
      if (world_.channels[thread.given_up].unread > 0) Ring(thread.given_up);
      thread.step = thread.then;
      return true;
    case Step::kTimerExpired:
      owners_.TimerExpired();
      thread.step = Step::kSweep;
      return true;
    case Step::kSweep:
      if (thread.swept == world_.channels.size()) {
        thread.step = thread.any_begun && setup_.flaw != Flaw::kTimerNotResumed ? Step::kStartTimer
                                                                                : Step::kBeginIdle;
        thread.then = Step::kBeginIdle;
        return true;
      }
      switch (owners_.ReleaseIfStuck(thread.swept)) {
        case ChannelOwners::Work::kNone:
          break;
        case ChannelOwners::Work::kBegun:
          thread.any_begun = true;
          break;
        case ChannelOwners::Work::kReleased:
          GiveUp(thread, thread.swept, Step::kSweep);
          break;
      }
      ++thread.swept;
      return true;
  }
  return false;
}

bool Model::RunWorker(Channel& channel, size_t number) {
  if (channel.to_ring) {
    channel.to_ring = false;
    if (std::exchange(channel.armed, false)) Ring(number);
    return true;
  }
  if (number < setup_.endless) {
    if (channel.unread != 0) return false;
  } else if (channel.sent == setup_.messages[number]) {
    return false;
  } else {
    ++channel.sent;
  }
  ++channel.unread;
  channel.to_ring = true;
  return true;
}

bool Model::RunTimer() {
  if (!world_.timer_set) return false;
  world_.timer_set = false;
  Ring(kTimer);
  return true;
}

// Claims are only ever compared for equality: their ranks tell worlds apart as well as they do.
std::string Model::KeyOf(const World& world) {
  std::vector<ChannelOwners::Claim> claims;
  for (const auto& channel : world.owners.channels)
    claims.insert(claims.end(), {channel.claim, channel.seen});
  for (const Thread& thread : world.threads) claims.push_back(thread.claim);
  std::vector<ChannelOwners::Claim> ranks = {0, 1};
  ranks.insert(ranks.end(), claims.begin(), claims.end());
  std::ranges::sort(ranks);
  ranks.erase(std::unique(ranks.begin(), ranks.end()),
              ranks.end());  // clang 14 has no ranges for it
  std::string key;
  const auto add = [&key](auto value) { key.push_back(static_cast<char>(value)); };
  for (const ChannelOwners::Claim claim : claims)
    add(std::ranges::lower_bound(ranks, claim) - ranks.begin());
  add(world.owners.idle_threads);
  add(world.owners.timer_runs);
  for (const Thread& thread : world.threads) {
    for (const auto value :
         {static_cast<size_t>(thread.step), static_cast<size_t>(thread.then), thread.event,
          thread.channel, thread.given_up, thread.swept, size_t{thread.any_begun},
          static_cast<size_t>(std::min(thread.in_a_row, 100)), size_t{thread.stuck}}) {
      add(value);
    }
  }
  for (const Channel& channel : world.channels) {
    for (const int value :
         {channel.sent, channel.unread, channel.received, int{channel.armed}, int{channel.to_ring},
          static_cast<int>(channel.receiver), channel.waited}) {
      add(value);
    }
  }
  for (const size_t event : world.events) add(event);
  add(world.timer_set);
  return key;
}

std::string Model::Describe(const World& world, size_t actor) const {
  if (actor == setup_.threads + channels()) return "the timer expires";
  if (actor >= setup_.threads) {
    const size_t number = actor - setup_.threads;
    return absl::StrCat("worker ", number,
                        world.channels[number].to_ring ? " rings if it is to" : " publishes");
  }
  constexpr const char* kSteps[] = {"begins to wait", "is told",    "is busy",     "owns?",
                                    "awake",          "receives?",  "begins work", "timer?",
                                    "works",          "ends work?", "releases",    "arms",
                                    "looks",          "expired",    "sweeps"};
  const Thread& thread = world.threads[actor];
  return absl::StrCat("thread ", actor, " ", kSteps[static_cast<int>(thread.step)], " ",
                      thread.channel);
}

}  // namespace

ModelResult ExploreOwners(const ModelSetup& setup, int longest_wait) {
  struct Visit {
    World world;
    size_t from;
    size_t actor;
    std::vector<size_t> predecessors;
  };
  Model model(setup);
  ModelResult result;
  std::vector<Visit> visits = {{model.First(), 0, 0, {}}};
  absl::flat_hash_map<std::string, size_t> known = {{Model::KeyOf(visits[0].world), 0}};
  const auto fail = [&](const std::string& what, size_t last) {
    result.failure = what;
    for (size_t i = last; i != 0; i = visits[i].from) {
      result.steps.push_back(model.Describe(visits[visits[i].from].world, visits[i].actor));
    }
    std::ranges::reverse(result.steps);
    result.states = visits.size();
    return result;
  };
  for (size_t i = 0; i < visits.size(); ++i) {
    bool any = false;
    for (size_t actor = 0; actor < model.actors(); ++actor) {
      std::string failure;
      std::optional<World> next = model.After(visits[i].world, actor, failure);
      if (!next) continue;
      any = true;
      const auto [place, fresh] = known.try_emplace(Model::KeyOf(*next), visits.size());
      if (fresh) visits.push_back({std::move(*next), i, actor, {}});
      visits[place->second].predecessors.push_back(i);
      if (!failure.empty()) return fail(failure, place->second);
      for (const Channel& channel : visits[place->second].world.channels) {
        result.longest_wait = std::max(result.longest_wait, channel.waited);
      }
      if (result.longest_wait > longest_wait) return fail("starved", place->second);
    }
    if (!any && !model.IsDone(visits[i].world)) return fail("a message is lost", i);
  }
  // Whatever has happened, all can still be done: no state leads round in a circle for ever.
  std::vector<bool> ends(visits.size());
  std::vector<size_t> todo;
  for (size_t i = 0; i < visits.size(); ++i) {
    if (!model.IsDone(visits[i].world)) continue;
    ends[i] = true;
    todo.push_back(i);
  }
  while (!todo.empty()) {
    const size_t i = todo.back();
    todo.pop_back();
    for (const size_t before : visits[i].predecessors) {
      if (ends[before]) continue;
      ends[before] = true;
      todo.push_back(before);
    }
  }
  for (size_t i = 0; i < visits.size(); ++i) {
    if (!ends[i]) return fail("never done", i);
  }
  result.states = visits.size();
  return result;
}

}  // namespace postern
