// Messages that no honest worker sends: each ends the session in order, before anything of it runs.
#include <fcntl.h>
#include <sys/socket.h>

#include <filesystem>
#include <functional>
#include <ostream>
#include <tuple>

#include "common/rpc/channel.h"
#include "tests/hostile/worker/hostile_worker_fixture.h"

namespace postern {
namespace {

using requests::BatchOf;
using requests::Lookup;
using requests::WithId;

constexpr char kUnreceived[] = "a message that can't be received";

// `count` times the same piece.
std::string Repeated(const std::string& piece, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += piece;
  return all;
}

// Field 1, a fixed64: an id of any kind.
std::string Id(char id) { return std::string("\x09") + id + std::string(7, '\0'); }

// A request that holds groups within groups, as deep as that. They need no lengths, and are of a
// field that is none: its number is the id's, which is no group.
std::string Nested(size_t depth) {
  const std::string inner = std::string(depth, '\x0b') + std::string(depth, '\x0c');
  const std::string request = Id(1) + inner;
  std::string size;
  for (size_t rest = request.size(); size.empty() || rest != 0; rest >>= 7) {
    size.push_back(static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
  }
  return "\x0a" + size + request;
}

std::string GoodMessage() { return BatchOf(Lookup(1, "file")); }

struct BadMessage {
  const char* name;
  std::function<std::string()> bytes;
  const char* reason;
};
void PrintTo(const BadMessage& message, std::ostream* out) { *out << message.name; }

using Over = BrokerUnderAttack::Over;

const char* Name(Over over) { return over == Over::kRing ? "Ring" : "Socket"; }

// Each of them both ways, but for what fits into no ring.
class BadMessageTest : public HostileWorkerTest,
                       public testing::WithParamInterface<std::tuple<BadMessage, Over>> {
 protected:
  const BadMessage& message() const { return std::get<BadMessage>(GetParam()); }
};

const BadMessage kBadMessages[] = {
    {"Garbage", [] { return std::string("\xff\xfe\xfd\xfc\xfb"); }, kUnreceived},
    {"Zeros", [] { return std::string(4096, '\0'); }, kUnreceived},
    {"Text", [] { return std::string("GET / HTTP/1.1\r\n\r\n"); }, kUnreceived},
    {"OneByteOverTheBound", [] { return std::string(kMaxMessageBytes + 1, '\x0a'); }, kUnreceived},
    {"AllThatASocketTakes", [] { return std::string(200'000, 'x'); }, kUnreceived},
    {"LengthBeyondTheEnd", [] { return std::string("\x0a\xff\xff\xff\x7f"); }, kUnreceived},
    {"NegativeLength", [] { return "\x0a" + Repeated("\xff", 9) + "\x01"; }, kUnreceived},
    {"VarintWithoutEnd", [] { return Repeated("\xff", 100); }, kUnreceived},
    {"FieldNumberZero", [] { return std::string("\x02\x00", 2); }, kUnreceived},
    {"WireTypeSeven", [] { return std::string("\x0f\x00", 2); }, kUnreceived},
    {"GroupWithoutEnd", [] { return std::string("\x0b\x0b\x0b"); }, kUnreceived},
    {"EndOfAGroupThatHasNoBegin", [] { return std::string("\x0c"); }, kUnreceived},
    {"NestedTooDeep", [] { return Nested(60'000); }, kUnreceived},
    {"NestedAsDeepAsAllowed", [] { return Nested(50); }, "a request without an operation"},
    {"OnlyUnknownFields", [] { return Repeated("\x78\x01", 1000); }, "an empty batch"},
    {"RequestOfNothing", [] { return std::string("\x0a\x00", 2); }, "a request without an id"},
    {"RequestWithoutOperation", [] { return BatchOf(rpc::Request()); },
     "a request without an operation"},
    // requests { id: 1, field 500 (a message): {} }
    {"OperationOfAnUnknownNumber",
     [] { return "\x0a\x0c" + Id(1) + std::string("\xa2\x1f\x00", 3); },
     "a request without an operation"},
    {"RequestWithoutId", [] { return BatchOf(std::vector{WithId(Lookup(1, "file"), 0)}); },
     "a request without an id"},
    {"LastOf64WithoutId",
     [] {
       std::vector<rpc::Request> requests(64, WithId(requests::MakeDirectory("made"), 1));
       requests.back().set_id(0);
       return BatchOf(requests);
     },
     "a request without an id"},
    {"OneRequestMoreThanAllowed",
     [] { return BatchOf(std::vector(65, WithId(requests::MakeDirectory("made"), 1))); },
     "too many requests in a batch"},
    // Costs the broker most: each of two bytes becomes an object. Bounded by the message.
    {"SixtyThousandEmptyRequests", [] { return Repeated(std::string("\x0a\x00", 2), 60'000); },
     "too many requests in a batch"},
    // A oneof that changes its mind: the last one counts, all others have been allocated.
    {"OneofSetTenThousandTimes",
     [] {
       return "\x0a\xe9\xd4\x03" + Id(1) +
              Repeated(std::string("\x32\x00\x1a\x00\x22\x00", 6), 10'000);
     },
     "nothing to forget"},
    {"ReplyInsteadOfARequest",
     [] {
       rpc::ReplyBatch replies;
       rpc::Reply& reply = *replies.add_replies();
       reply.set_id(1);
       reply.mutable_entry()->set_node_id(1);
       return replies.SerializeAsString();
     },
     // A reply's entry has the number of a request's lookup, and reads as one without a name: that
     // gets an errno.
     nullptr},
    {"ErrorReplyInsteadOfARequest",
     [] {
       rpc::ReplyBatch replies;
       rpc::Reply& reply = *replies.add_replies();
       reply.set_id(1);
       reply.set_error(5);
       return replies.SerializeAsString();
     },
     "a request without an operation"},
    {"NothingToForget",
     [] {
       rpc::Request request;
       request.mutable_forget();
       return BatchOf(request);
     },
     "nothing to forget"},
    {"OneItemTooManyToForget",
     [] {
       rpc::Request request;
       for (int i = 0; i < 4097; ++i) request.mutable_forget()->add_items()->set_node_id(2);
       return BatchOf(request);
     },
     "too many items to forget"},
};
INSTANTIATE_TEST_SUITE_P(, BadMessageTest,
                         testing::Combine(testing::ValuesIn(kBadMessages),
                                          testing::Values(Over::kRing, Over::kSocket)),
                         [](const auto& row) {
                           return std::string(std::get<BadMessage>(row.param).name) + "OverThe" +
                                  Name(std::get<Over>(row.param));
                         });

TEST_P(BadMessageTest, EndsTheSessionOrGetsAnErrno) {
  SendRawOver(std::get<Over>(GetParam()));
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ASSERT_EQ(broker().SendRaw(message().bytes()), 0);
  if (message().reason == nullptr) {
    rpc::ReplyBatch replies;
    ASSERT_TRUE(broker().channel(1).ReceiveMessage(replies, 0).ok());
    ASSERT_EQ(replies.replies_size(), 1);
    EXPECT_EQ(replies.replies(0).error(), uint32_t{EINVAL});
    ExpectServes();
    return;
  }
  ExpectSessionEnds(message().reason);
  EXPECT_FALSE(std::filesystem::exists(Share("made")));
}

using FramingTest = HostileWorkerTest;

// Each prefix of a good message is one that a broken worker may send.
TEST_F(FramingTest, MessageCutAtAnyLengthEndsTheSession) {
  const std::string good = GoodMessage();
  for (const Over over : {Over::kRing, Over::kSocket}) {
    SendRawOver(over);
    for (size_t size = 1; size < good.size(); ++size) {
      SCOPED_TRACE(testing::Message() << size << " over the " << Name(over));
      ASSERT_NO_FATAL_FAILURE(StartBroker());
      ASSERT_EQ(broker().SendRaw(good.substr(0, size)), 0);
      ASSERT_NO_FATAL_FAILURE(ExpectSessionEnds(kUnreceived));
    }
  }
}

TEST_F(FramingTest, EmptyMessageEndsItsChannelOnly) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ASSERT_EQ(broker().SendRaw("", {}, /*channel=*/1), 0);
  ASSERT_EQ(broker().SendRaw(GoodMessage(), {}, /*channel=*/1), 0);
  // It can't be told from the end of the connection: nobody looks at this channel any more.
  EXPECT_EQ(Ask(requests::GetAttributes(kRoot), 0).error(), 0);
  rpc::ReplyBatch replies;
  const auto received = broker().channel(1).ReceiveMessage(replies, 0, Channel::Wait::kDontBlock);
  EXPECT_EQ(received.errno_value(), EAGAIN);
}

TEST_F(FramingTest, LargestBatchIsServed) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  const auto answers = broker().Ask(std::vector(64, requests::GetAttributes(kRoot)));
  for (const auto& answer : answers) EXPECT_EQ(answer.error(), 0);
}

TEST_F(FramingTest, UnknownFieldsBesideAnOperationChangeNothing) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  // requests { id: 7, get_attributes { node_id: 1, field 15: 1 }, field 1000: 1 }
  const std::string message = "\x0a\x19" + Id(7) + "\x2a\x0b" + Id(1) + "\x78\x01" + "\xc0\x3e\x01";
  ASSERT_EQ(broker().SendRaw(message), 0);
  rpc::ReplyBatch replies;
  ASSERT_TRUE(broker().channel(1).ReceiveMessage(replies, 0).ok());
  ASSERT_EQ(replies.replies_size(), 1);
  EXPECT_EQ(replies.replies(0).id(), 7u);
  EXPECT_EQ(replies.replies(0).error(), 0u);
}

TEST_F(FramingTest, EqualIdsAreAnsweredEachOnItsOwn) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  ASSERT_EQ(broker().SendRaw(BatchOf({WithId(requests::GetAttributes(kRoot), 9),
                                      WithId(Lookup(kRoot, "nothing"), 9),
                                      WithId(requests::GetAttributes(kRoot), ~uint64_t{0})})),
            0);
  // Maybe in more than one message: what is done isn't held back for long.
  rpc::ReplyBatch replies;
  while (replies.replies_size() < 3) {
    rpc::ReplyBatch more;
    ASSERT_TRUE(broker().channel(1).ReceiveMessage(more, 0).ok());
    replies.MergeFrom(more);
  }
  ASSERT_EQ(replies.replies_size(), 3);
  EXPECT_EQ(replies.replies(0).id(), 9u);
  EXPECT_EQ(replies.replies(1).id(), 9u);
  EXPECT_EQ(replies.replies(1).error(), uint32_t{ENOENT});
  EXPECT_EQ(replies.replies(2).id(), ~uint64_t{0});
}

TEST_F(FramingTest, BatchWithOneBrokenBoundRunsNothingOfIt) {
  ASSERT_NO_FATAL_FAILURE(StartBroker());
  rpc::Request broken = requests::CreateTemporary(O_RDWR);
  broken.mutable_create_temporary_file()->clear_credentials();
  ASSERT_EQ(
      broker().SendRaw(BatchOf({WithId(requests::MakeDirectory("made"), 1),
                                WithId(requests::Unlink(kRoot, "file"), 2), WithId(broken, 3)})),
      0);
  ExpectSessionEnds("no credentials");
  EXPECT_FALSE(std::filesystem::exists(Share("made")));
  EXPECT_TRUE(std::filesystem::exists(Share("file")));
}

// Descriptors that come in messages: a pipe's reading end sees when the last writing end is gone.
class SentDescriptorTest : public HostileWorkerTest, public testing::WithParamInterface<size_t> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(HostileWorkerTest::SetUp());
    if (IsSkipped()) return;
    ASSERT_NO_FATAL_FAILURE(StartBroker());
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    read_.Reset(ends[0]);
    write_.Reset(ends[1]);
  }
  // Nobody holds a writing end any more: the end of the file, and not "come again".
  void ExpectNobodyKeepsIt() {
    for (size_t i = 0; i < broker().channels(); ++i) broker().channel(i).TakeSocket().Reset();
    write_.Reset();
    char byte;
    EXPECT_TRUE(Eventually([&] { return read(read_.get(), &byte, 1) == 0; }));
  }

  UniqueFd read_;
  UniqueFd write_;
};
INSTANTIATE_TEST_SUITE_P(, SentDescriptorTest, testing::Values(1, 64, 65, 253),
                         testing::PrintToStringParamName());

TEST_P(SentDescriptorTest, EndTheSessionAndAreClosed) {
  const std::vector<int> descriptors(GetParam(), write_.get());
  ASSERT_EQ(broker().SendRaw(GoodMessage(), descriptors), 0);
  ExpectSessionEnds(kUnreceived);
  ExpectNobodyKeepsIt();
}

TEST_P(SentDescriptorTest, InManyMessagesOnAllChannelsAreClosedToo) {
  const std::vector<int> descriptors(GetParam(), write_.get());
  for (size_t channel = 0; channel < broker().channels(); ++channel) {
    for (int i = 0; i < 20; ++i) (void)broker().SendRaw(GoodMessage(), descriptors, channel);
  }
  ExpectSessionEnds(kUnreceived);
  ExpectNobodyKeepsIt();
}

TEST_P(SentDescriptorTest, WithAnEmptyMessageEndTheSessionToo) {
  const std::vector<int> descriptors(GetParam(), write_.get());
  ASSERT_EQ(broker().SendRaw("", descriptors), 0);
  ExpectSessionEnds(kUnreceived);
  ExpectNobodyKeepsIt();
}

}  // namespace
}  // namespace postern
