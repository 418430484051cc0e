// What the broker allocates for requests once it has served some: the table Rows().
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/unit/allocations/allocation_count.h"
#include "tests/unit/allocations/expect_allocations.h"
#include "tests/unit/broker/requests.h"
#include "tests/unit/broker/service/service_fixture.h"

namespace postern {
namespace {

constexpr size_t kListed = 20;
// The longest name that a std::string keeps without a buffer, and one that needs it.
const std::string kShortName(15, 's');
const std::string kLongName(100, 'l');
constexpr char kUnknown[] = "unknown";

// What requests name, as the session has it.
struct Names {
  uint64_t node = 0;          // kShortName's.
  std::vector<uint64_t> got;  // What the last step answered: a node or an open file for each unit.
  uint64_t short_names = 0;   // A directory with kListed of them...
  uint64_t short_names_file = 0;
  uint64_t long_names = 0;
  uint64_t long_names_file = 0;
};

struct Row {
  const char* name;
  // What is asked for each unit, one step after the other; `index` counts the units of a batch.
  std::vector<std::function<rpc::Request(const Names& names, size_t index)>> steps;
  // Allocations for a unit.
  double allowed;
  const char* reason;
};

rpc::Request LookupOf(const std::string& name) {
  rpc::Request request;
  request.mutable_lookup()->set_parent(requests::kRootNode);
  request.mutable_lookup()->set_name(name);
  return request;
}
rpc::Request Getattr(const Names& names, size_t) { return requests::GetAttributes(names.node); }
rpc::Request LookupShort(const Names&, size_t) { return LookupOf(kShortName); }
rpc::Request LookupLong(const Names&, size_t) { return LookupOf(kLongName); }
rpc::Request LookupUnknown(const Names&, size_t index) {
  return LookupOf(kUnknown + std::to_string(index));
}
rpc::Request Forget(const Names& names, size_t index) {
  rpc::Request request;
  rpc::ForgetRequest::Item& item = *request.mutable_forget()->add_items();
  item.set_node_id(names.got[index]);
  item.set_count(1);
  return request;
}
rpc::Request Open(const Names& names, size_t) { return requests::Open(names.node, O_RDWR); }
rpc::Request Release(const Names& names, size_t index) {
  rpc::Request request;
  request.mutable_release()->set_node_id(names.node);
  request.mutable_release()->set_open_file_id(names.got[index]);
  return request;
}
rpc::Request List(uint64_t node, uint64_t file, uint32_t budget) {
  rpc::Request request;
  rpc::ReadDirectoryRequest& read = *request.mutable_read_directory();
  read.set_node_id(node);
  read.set_open_file_id(file);
  read.set_budget(budget);
  read.set_with_entries(true);
  return request;
}
rpc::Request ReaddirplusShort(const Names& names, size_t) {
  return List(names.short_names, names.short_names_file, 16 * 1024);
}
rpc::Request ReaddirplusLong(const Names& names, size_t) {
  return List(names.long_names, names.long_names_file, 16 * 1024);
}
rpc::Request ReaddirplusPart(const Names& names, size_t) {
  return List(names.short_names, names.short_names_file, 1024);
}

std::vector<Row> Rows() {
  return {
      {"Getattr", {Getattr}, 0, ""},
      {"LookupOfAShortName", {LookupShort}, 0, ""},
      {"LookupOfALongName", {LookupLong}, 1, "the name's buffer in the message"},
      {"LookupAndForget", {LookupShort, Forget}, 0, ""},
      {"LookupAndForgetOfAnUnknownFile",
       {LookupUnknown, Forget},
       2,
       "the inode and its descriptor"},
      {"OpenAndRelease",
       {Open, Release},
       2,
       "the open file, and its place in the tree of those open by node"},
      {"ReaddirplusOfShortNames", {ReaddirplusShort}, 0, ""},
      {"ReaddirplusOfLongNames", {ReaddirplusLong}, kListed, "each name's buffer in the message"},
      {"ReaddirplusThatIsCut", {ReaddirplusPart}, 1, "what was read of the directory and not sent"},
  };
}

void PrintTo(const Row& row, std::ostream* to) { *to << row.name; }

enum class Known { kByDescriptor, kByHandle };

class BrokerAllocationsTest
    : public ServiceFixture,
      public testing::WithParamInterface<std::tuple<Row, Known, size_t /* requests at a time */>> {
 protected:
  void SetUp() override {
    before_ = OpenDescriptors();
    MakeFiles();
    filesystem_.emplace(OpenPathTo(share_.Path()), ProcFd(OpenPathTo("/proc/self/fd")),
                        *ProcessCredentials::Capture(), /*descriptor_limit=*/1000);
    if (std::get<1>(GetParam()) == Known::kByHandle &&
        !filesystem_->UseFileHandles(MountTable::Policy::kDescriptor).ok()) {
      GTEST_SKIP() << "no file handles here";
    }
    RpcChannel broker = MakeChannel();
    std::vector<RpcChannel> channels;
    channels.push_back(std::move(broker));
    BrokerServiceOptions options;
    options.on_failure = [this] { ++failures_; };
    service_.emplace(*filesystem_, std::move(channels), std::move(options));
    ASSERT_TRUE(service_->Start().ok());
    service_->Serve();
    ASSERT_NO_FATAL_FAILURE(StartSession());
  }
  void TearDown() override {
    EXPECT_EQ(failures_, 0);
    end_.reset();
    ServiceFixture::TearDown();
  }

  const Row& row() const { return std::get<0>(GetParam()); }
  size_t at_a_time() const { return std::get<2>(GetParam()); }

  void DoAll(size_t units) {
    for (size_t done = 0; done < units; done += at_a_time()) {
      for (const auto& step : row().steps) {
        ASSERT_NO_FATAL_FAILURE(Do([&](size_t i) { return step(names_, i); }, at_a_time()));
      }
    }
  }

  AllocationCount count_;

 private:
  RpcChannel MakeChannel() {
    auto pair = *RpcChannel::CreatePair();
    end_.emplace(*RpcChannel::Open(std::move(pair.first), RpcChannel::End::kWorker));
    return *RpcChannel::Open(std::move(pair.second), RpcChannel::End::kBroker);
  }
  void MakeFiles() {
    share_.Write(kShortName);
    share_.Write(kLongName);
    for (size_t i = 0; i < at_a_time(); ++i) share_.Write(kUnknown + std::to_string(i));
    for (const std::string directory : {"short", "long"}) {
      std::filesystem::create_directory(share_.Path(directory));
      const std::string& name = directory == "short" ? kShortName : kLongName;
      for (char c = 'A'; c < static_cast<char>('A' + kListed); ++c) {
        share_.Write(directory + "/" + c + name.substr(1));
      }
    }
  }
  void StartSession() {
    ASSERT_NO_FATAL_FAILURE(DoOne(Initialize()));
    ASSERT_NO_FATAL_FAILURE(DoOne(LookupOf(kShortName)));
    names_.node = names_.got[0];
    // Stays known whatever else is forgotten.
    ASSERT_NO_FATAL_FAILURE(DoOne(LookupOf(kLongName)));
    ASSERT_NO_FATAL_FAILURE(OpenDirectory("short", names_.short_names, names_.short_names_file));
    ASSERT_NO_FATAL_FAILURE(OpenDirectory("long", names_.long_names, names_.long_names_file));
  }
  void OpenDirectory(const char* name, uint64_t& node, uint64_t& file) {
    ASSERT_NO_FATAL_FAILURE(DoOne(LookupOf(name)));
    node = names_.got[0];
    rpc::Request open;
    open.mutable_open_directory()->set_node_id(node);
    ASSERT_NO_FATAL_FAILURE(DoOne(open));
    file = names_.got[0];
  }
  void DoOne(const rpc::Request& request) {
    Do([&](size_t) { return request; }, 1);
  }

  // One batch of `units` requests. What the test does itself isn't counted.
  void Do(const std::function<rpc::Request(size_t)>& step, size_t units) {
    rpc::RequestBatch batch;
    for (size_t i = 0; i < units; ++i) {
      *batch.add_requests() = step(i);
      batch.mutable_requests()->rbegin()->set_id(i + 1);
    }
    size_t expected = units;
    if (batch.requests(0).has_forget()) {
      // Nobody answers these; who answers what comes after them has done them.
      *batch.add_requests() = requests::GetAttributes(requests::kRootNode);
      batch.mutable_requests()->rbegin()->set_id(units + 1);
      expected = 1;
    }
    const std::string bytes = batch.SerializeAsString();
    count_.StartOthers();
    const bool sent = end_->Send(std::as_bytes(std::span(bytes))).ok();
    std::vector<uint64_t> got(units);
    size_t answered = 0;
    while (sent && failures_ == 0 && answered < expected) {
      const auto received = end_->Receive(kMaxMessageDescriptors);
      if (received.errno_value() == EAGAIN) {
        std::this_thread::yield();
        continue;
      }
      rpc::ReplyBatch replies;
      if (!received.ok() || !replies.ParseFromArray(received->bytes.data(),
                                                    static_cast<int>(received->bytes.size()))) {
        break;
      }
      for (const rpc::Reply& reply : replies.replies()) {
        EXPECT_EQ(reply.error(), 0u);
        if (reply.has_entry()) got.at(reply.id() - 1) = reply.entry().node_id();
        if (reply.has_opened()) got.at(reply.id() - 1) = reply.opened().open_file_id();
        ++answered;
      }
    }
    count_.Stop();
    ASSERT_EQ(answered, expected);
    names_.got = std::move(got);
  }

  std::optional<RpcChannel> end_;
  Names names_;
};

TEST_P(BrokerAllocationsTest, AreNoMoreThanTheTableAllows) {
  ExpectAllocations(
      count_, [this](size_t units) { DoAll(units); }, row().allowed, row().reason);
}

std::string NameOf(const testing::TestParamInfo<BrokerAllocationsTest::ParamType>& info) {
  const auto& [row, known, at_a_time] = info.param;
  return std::string(row.name) +
         (known == Known::kByDescriptor ? "KnownByDescriptor" : "KnownByHandle") +
         std::to_string(at_a_time) + "AtATime";
}

INSTANTIATE_TEST_SUITE_P(, BrokerAllocationsTest,
                         testing::Combine(testing::ValuesIn(Rows()),
                                          testing::Values(Known::kByDescriptor, Known::kByHandle),
                                          testing::Values(1, 32)),
                         NameOf);

}  // namespace
}  // namespace postern
