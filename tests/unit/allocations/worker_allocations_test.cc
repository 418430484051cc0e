// What the worker allocates for requests once it has served some: the table Rows().
#include <dirent.h>
#include <sys/stat.h>

#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/unit/allocations/allocation_count.h"
#include "tests/unit/allocations/expect_allocations.h"
#include "tests/unit/worker/queue/fuse_queue_fixture.h"

namespace postern {
namespace {

constexpr uint64_t kOpenFile = 77;
constexpr uint64_t kFirstOpened = 1000;  // What OPEN gives: this and the following.
constexpr uint32_t kBlock = 4096;
constexpr size_t kListed = 20;
// The longest name that a std::string keeps without a buffer, and one that needs it.
const std::string kShortName(15, 's');
const std::string kLongName(100, 'l');

struct Sent {
  uint32_t opcode;
  FuseBytes arguments;
};

struct Row {
  const char* name;
  // What the guest does for each unit, one step after the other; `index` counts the units of a
  // batch.
  std::vector<std::function<Sent(size_t index)>> steps;
  // Allocations for a unit.
  double allowed;
  const char* reason;
  std::string listed_name = {};  // What a directory has entries of.
};

Sent Getattr(size_t) { return {FUSE_GETATTR, FuseBytes().Add(fuse_getattr_in{})}; }
Sent LookupShort(size_t) { return {FUSE_LOOKUP, FuseBytes().Name(kShortName)}; }
Sent LookupLong(size_t) { return {FUSE_LOOKUP, FuseBytes().Name(kLongName)}; }
Sent Read(size_t) {
  return {FUSE_READ, FuseBytes().Add(fuse_read_in{kOpenFile, 0, kBlock, 0, 0, 0, 0})};
}
Sent Write(size_t) {
  return {FUSE_WRITE,
          FuseBytes().Add(fuse_write_in{kOpenFile, 0, kBlock, 0, 0, 0, 0}).Zeros(kBlock)};
}
Sent Fsync(size_t) {
  fuse_fsync_in fsync{};
  fsync.fh = kOpenFile;
  return {FUSE_FSYNC, FuseBytes().Add(fsync)};
}
Sent Forget(size_t) { return {FUSE_FORGET, FuseBytes().Add(fuse_forget_in{1})}; }
Sent Open(size_t) { return {FUSE_OPEN, FuseBytes().Add(fuse_open_in{})}; }
Sent Release(size_t index) {
  fuse_release_in release{};
  release.fh = kFirstOpened + index;
  return {FUSE_RELEASE, FuseBytes().Add(release)};
}
Sent Readdirplus(size_t) {
  return {FUSE_READDIRPLUS, FuseBytes().Add(fuse_read_in{kOpenFile, 0, 2 * kBlock, 0, 0, 0, 0})};
}

std::vector<Row> Rows() {
  return {
      {"Getattr", {Getattr}, 0, ""},
      {"LookupOfAShortName", {LookupShort}, 0, ""},
      {"LookupOfALongName", {LookupLong}, 1, "the name's buffer in the message"},
      {"Read", {Read}, 0, ""},
      {"Write", {Write}, 0, ""},
      {"FsyncByThePool", {Fsync}, 0.07, "lists of requests, which grow to what there is at a time"},
      {"Forget", {Forget}, 0, ""},
      {"OpenAndRelease",
       {Open, Release},
       2,
       "the open file; and the list of the message's descriptors, which may be one"},
      {"ReaddirplusOfShortNames", {Readdirplus}, 0, "", kShortName},
      {"ReaddirplusOfLongNames",
       {Readdirplus},
       kListed,
       "each name's buffer in the message",
       kLongName},
  };
}

void PrintTo(const Row& row, std::ostream* to) { *to << row.name; }

class WorkerAllocationsTest
    : public FuseQueueFixture,
      public testing::WithParamInterface<std::tuple<Row, size_t /* requests at a time */>> {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    file_ = MemoryFile(std::string(kBlock, 'f'));
    Build(/*io_threads=*/2);
    auto pair = RpcChannel::CreatePair();
    ASSERT_TRUE(pair.ok());
    queue_.emplace(*shared_, *RpcChannel::Open(std::move(pair->first), RpcChannel::End::kWorker),
                   *wake_);
    peer_.emplace(*RpcChannel::Open(std::move(pair->second), RpcChannel::End::kBroker));
    broker_.reset();  // It is the fixture's queue's.
    Do([](size_t) { return Sent{FUSE_INIT, InitArguments()}; }, 1);
    ASSERT_TRUE(shared_->session.active());
    // What is in memory needs no thread of the pool, however busy this machine is.
    const bool by_pool = std::string_view(row().name).find("ByThePool") != std::string_view::npos;
    ASSERT_TRUE(shared_->open_files
                    .Insert(OpenFileId(kOpenFile), UniqueFd(dup(file_.get())), NodeId(kNode),
                            shared_->open_files.BeginOpen(), {.in_memory = !by_pool})
                    .ok());
  }
  void TearDown() override {
    file_.Reset();
    peer_.reset();
    FuseQueueFixture::TearDown();
  }

  const Row& row() const { return std::get<0>(GetParam()); }
  size_t at_a_time() const { return std::get<1>(GetParam()); }

  // What the worker does is counted, on all its threads; what guest and broker do isn't.
  void ServeCounted() {
    count_.StartAll();
    const int error = Serve();
    count_.Stop();
    ASSERT_EQ(error, 0);
  }
  // One step for `units` units, to the end.
  void Do(const std::function<Sent(size_t)>& step, size_t units) {
    for (size_t i = 0; i < units; ++i) {
      const Sent sent = step(i);
      guest_->Send(sent.opcode, kNode, sent.arguments, 16 + 2 * kBlock);
    }
    ASSERT_NO_FATAL_FAILURE(ServeCounted());
    ASSERT_NO_FATAL_FAILURE(AnswerAsBroker());
    ASSERT_NO_FATAL_FAILURE(ServeCounted());
    for (size_t answers = 0; answers < units;) {
      if (const auto answer = guest_->TakeAnswer()) {
        ASSERT_EQ(answer->header.error, 0);
        ++answers;
        continue;
      }
      // The pool has the others.
      count_.StartAll();
      const bool woken = WaitReadable(wake_->fd());
      count_.Stop();
      ASSERT_TRUE(woken);
      wake_->Drain();
      ASSERT_NO_FATAL_FAILURE(ServeCounted());
    }
  }
  void DoAll(size_t units) {
    for (size_t done = 0; done < units; done += at_a_time()) {
      for (const auto& step : row().steps) ASSERT_NO_FATAL_FAILURE(Do(step, at_a_time()));
    }
  }

  AllocationCount count_;

 private:
  void AnswerAsBroker() {
    opened_ = 0;
    while (true) {
      const auto received = peer_->Receive(0);
      if (received.errno_value() == EAGAIN) return;
      ASSERT_TRUE(received.ok());
      rpc::RequestBatch requests;
      ASSERT_TRUE(requests.ParseFromArray(received->bytes.data(),
                                          static_cast<int>(received->bytes.size())));
      rpc::ReplyBatch replies;
      std::vector<int> descriptors;
      for (const rpc::Request& request : requests.requests()) {
        if (request.has_forget()) continue;
        FillReply(request, *replies.add_replies(), descriptors);
      }
      if (replies.replies().empty()) continue;
      const std::string bytes = replies.SerializeAsString();
      ASSERT_TRUE(peer_->Send(std::as_bytes(std::span(bytes)), descriptors).ok());
    }
  }
  void FillReply(const rpc::Request& request, rpc::Reply& reply, std::vector<int>& descriptors) {
    reply.set_id(request.id());
    if (request.has_get_attributes()) FillAttributes(*reply.mutable_attributes());
    if (request.has_lookup()) FillEntry(*reply.mutable_entry());
    if (request.has_open()) {
      reply.mutable_opened()->set_open_file_id(kFirstOpened + opened_++);
      descriptors.push_back(file_.get());
    }
    if (!request.has_read_directory()) return;
    for (size_t i = 0; i < kListed; ++i) {
      rpc::DirectoryListing::Item& item = *reply.mutable_listing()->add_items();
      item.set_name(row().listed_name);
      item.set_ino(1000 + i);
      item.set_next_offset(i + 1);
      item.set_type(DT_REG);
      FillEntry(*item.mutable_entry());
    }
  }
  static void FillEntry(rpc::Entry& entry) {
    entry.set_node_id(6);
    FillAttributes(*entry.mutable_attributes());
  }
  static void FillAttributes(rpc::Attributes& attributes) {
    attributes.set_ino(1234567);
    attributes.set_size(kBlock);
    attributes.set_mtime_seconds(1'700'000'000);
    attributes.set_mode(S_IFREG | 0644);
    attributes.set_nlink(1);
  }

  UniqueFd file_;
  std::optional<RpcChannel> peer_;
  size_t opened_ = 0;
};

TEST_P(WorkerAllocationsTest, AreNoMoreThanTheTableAllows) {
  ExpectAllocations(
      count_, [this](size_t units) { DoAll(units); }, row().allowed, row().reason);
}

std::string NameOf(const testing::TestParamInfo<WorkerAllocationsTest::ParamType>& info) {
  const auto& [row, at_a_time] = info.param;
  return std::string(row.name) + std::to_string(at_a_time) + "AtATime";
}

INSTANTIATE_TEST_SUITE_P(, WorkerAllocationsTest,
                         testing::Combine(testing::ValuesIn(Rows()), testing::Values(1, 32)),
                         NameOf);

}  // namespace
}  // namespace postern
