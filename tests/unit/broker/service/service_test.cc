// The service with an honest worker.
#include "broker/service/service.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <thread>

#include "tests/unit/broker/service/service_fixture.h"

namespace postern {
namespace {

TEST_F(ServiceTest, AnswersABatchById) {
  share_.Write("file", "12345");
  const auto answers =
      Ask({Initialize(), LookupOf("file"), LookupOf("missing"), GetAttributesOf(kRoot)});
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0].reply.error(), 0u);
  EXPECT_EQ(answers[1].reply.entry().attributes().size(), 5u);
  EXPECT_EQ(answers[2].reply.error(), uint32_t{ENOENT});
  EXPECT_EQ(answers[2].reply.result_case(), rpc::Reply::RESULT_NOT_SET);
  EXPECT_TRUE(answers[3].reply.has_attributes());
  EXPECT_EQ(messages_, 1u);
}

TEST_F(ServiceTest, RepliesThatAreDoneDontWaitForOthersBeyondTheDelay) {
  StartService({.reply_delay = std::chrono::microseconds(0), .stuck_time = kNever});
  Ask(Initialize());
  const auto answers = Ask(std::vector<rpc::Request>(8, GetAttributesOf(kRoot)));
  ASSERT_EQ(answers.size(), 8u);
  EXPECT_EQ(messages_, 8u);
}

TEST_F(ServiceTest, EverythingBeforeInitializeIsEio) {
  EXPECT_EQ(Ask(GetAttributesOf(kRoot)).reply.error(), uint32_t{EIO});
  EXPECT_EQ(Ask(LookupOf("x")).reply.error(), uint32_t{EIO});
  EXPECT_EQ(Ask(Reset()).reply.error(), 0u);
  EXPECT_EQ(Ask(Initialize()).reply.error(), 0u);
  EXPECT_EQ(Ask(GetAttributesOf(kRoot)).reply.error(), 0u);
  EXPECT_EQ(failures_, 0);
}

TEST_F(ServiceTest, SessionIsOneForAllChannels) {
  share_.Write("file");
  Ask(Initialize(), 0);
  const uint64_t node = Ask(LookupOf("file"), 0).reply.entry().node_id();
  EXPECT_EQ(Ask(GetAttributesOf(node), 1).reply.error(), 0u);
}

TEST_F(ServiceTest, OpenAndCreateBringTheirOwnDescriptors) {
  share_.Write("a", "content of a");
  share_.Write("b", "content of b");
  Ask(Initialize());
  const uint64_t a = Lookup("a");
  const uint64_t b = Lookup("b");
  rpc::Request create;
  create.mutable_create()->set_parent(kRoot);
  create.mutable_create()->set_name("c");
  create.mutable_create()->set_flags(O_RDWR);
  create.mutable_create()->set_mode(0644);
  create.mutable_create()->mutable_credentials();
  rpc::Request directory;
  directory.mutable_open_directory()->set_node_id(kRoot);

  // A failing one and a directory in between must not shift them.
  const auto answers = Ask({OpenOf(b), OpenOf(kRoot), directory, create, OpenOf(a)});

  char text[32] = {};
  EXPECT_EQ(pread(answers[0].fd.get(), text, sizeof(text), 0), 12);
  EXPECT_STREQ(text, "content of b");
  EXPECT_EQ(answers[1].reply.error(), uint32_t{EISDIR});
  EXPECT_EQ(answers[2].reply.error(), 0u);
  struct stat status;
  EXPECT_EQ(fstat(answers[3].fd.get(), &status), 0);
  EXPECT_EQ(status.st_ino, share_.Stat("c").st_ino);
  EXPECT_EQ(pread(answers[4].fd.get(), text, sizeof(text), 0), 12);
  EXPECT_STREQ(text, "content of a");
}

TEST_F(ServiceTest, ResetForgetsInodesAndClosesFiles) {
  share_.Write("file");
  Ask(Initialize());
  const uint64_t node = Lookup("file");
  Ask(OpenOf(node));
  EXPECT_EQ(filesystem_->budget().used(), 2u);
  EXPECT_EQ(Ask(Reset()).reply.error(), 0u);
  EXPECT_TRUE(BudgetBecomes(0));
  EXPECT_EQ(Ask(GetAttributesOf(node)).reply.error(), uint32_t{EIO});
}

TEST_F(ServiceTest, InitializeEndsTheEarlierSession) {
  share_.Write("file");
  Ask(Initialize());
  const uint64_t node = Lookup("file");
  EXPECT_EQ(Ask(Initialize()).reply.error(), 0u);
  EXPECT_TRUE(BudgetBecomes(0));
  EXPECT_EQ(Ask(GetAttributesOf(node)).reply.error(), uint32_t{EBADF});
}

// A guest that starts again at its limit, without the end of the session before.
TEST_F(ServiceTest, InitializeNeedsNothingOfTheBudget) {
  Ask(Initialize());
  std::vector<DescriptorBudget::Share> all;
  for (auto share = filesystem_->budget().Take(); share.ok();
       share = filesystem_->budget().Take()) {
    all.push_back(std::move(*share));
  }
  EXPECT_EQ(Ask(Initialize()).reply.error(), 0u);
  EXPECT_EQ(Ask(GetAttributesOf(kRoot)).reply.error(), 0u);
}

TEST_F(ServiceTest, ForgetHasNoReply) {
  share_.Write("file");
  Ask(Initialize());
  const uint64_t node = Lookup("file");
  rpc::Request forget;
  auto* item = forget.mutable_forget()->add_items();
  item->set_node_id(node);
  item->set_count(1);
  const auto answers = Ask({forget, GetAttributesOf(node)});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].reply.id(), 2u);
  EXPECT_EQ(answers[0].reply.error(), uint32_t{EBADF});
}

// The worker tells the guest at once that a FORGET is done. One that was long on its way must not
// forget a node of the next session, whose ids are the same.
TEST_F(ServiceTest, ForgetOfAnEarlierSessionIsDropped) {
  share_.Write("file");
  rpc::Request forget;
  rpc::Request begin = Initialize();
  rpc::Request lookup = LookupOf("file");
  begin.set_session(1);
  lookup.set_session(1);
  Ask(begin);
  const uint64_t node = Ask(lookup).reply.entry().node_id();
  forget.mutable_forget()->add_items()->set_node_id(node);
  forget.mutable_forget()->mutable_items(0)->set_count(1);
  forget.set_session(1);
  begin.set_session(2);
  lookup.set_session(2);
  Ask(begin);
  ASSERT_EQ(Ask(lookup).reply.entry().node_id(), node);
  rpc::Request get = GetAttributesOf(node);
  get.set_session(2);
  EXPECT_EQ(Ask({forget, get}, 1).at(0).reply.error(), 0u);
  forget.set_session(2);
  EXPECT_EQ(Ask({forget, get}, 1).at(0).reply.error(), uint32_t{EBADF});
}

// A guest may send two INITs on two queues, whose channels' messages come in any order.
TEST_F(ServiceTest, BeginningAndEndOfAnOlderSessionChangeNothing) {
  rpc::Request begin = Initialize();
  begin.set_session(3);
  ASSERT_EQ(Ask(begin).reply.error(), 0u);
  rpc::Request get = GetAttributesOf(kRoot);
  get.set_session(3);
  begin.set_session(2);
  EXPECT_EQ(Ask(begin, 1).reply.error(), uint32_t{EIO});
  EXPECT_EQ(Ask(get).reply.error(), 0u);
  rpc::Request end = Reset();
  end.set_session(2);
  EXPECT_EQ(Ask(end, 1).reply.error(), 0u);
  EXPECT_EQ(Ask(get).reply.error(), 0u);
  end.set_session(3);
  EXPECT_EQ(Ask(end, 1).reply.error(), 0u);
  EXPECT_EQ(Ask(get).reply.error(), uint32_t{EIO});
  begin.set_session(4);
  EXPECT_EQ(Ask(begin).reply.error(), 0u);
}

TEST_F(ServiceTest, RequestOfAnotherSessionIsEio) {
  rpc::Request begin = Initialize();
  begin.set_session(2);
  Ask(begin);
  rpc::Request get = GetAttributesOf(kRoot);
  for (const uint64_t session : {0u, 1u, 3u}) {
    get.set_session(session);
    EXPECT_EQ(Ask(get).reply.error(), uint32_t{EIO}) << session;
  }
  get.set_session(2);
  EXPECT_EQ(Ask(get).reply.error(), 0u);
  EXPECT_EQ(Ask(Reset()).reply.error(), 0u);
  EXPECT_EQ(Ask(get).reply.error(), uint32_t{EIO});
}

TEST_F(ServiceTest, LongListingsAreSplitOverMessages) {
  for (int i = 0; i < 100; ++i) {
    share_.Write(std::to_string(1000 + i) + std::string(200, 'x'));
  }
  Ask(Initialize());
  rpc::Request open;
  open.mutable_open_directory()->set_node_id(kRoot);
  const uint64_t file = Ask(open).reply.opened().open_file_id();
  rpc::Request read;
  read.mutable_read_directory()->set_node_id(kRoot);
  read.mutable_read_directory()->set_open_file_id(file);
  read.mutable_read_directory()->set_budget(1 << 20);

  const auto answers = Ask(std::vector<rpc::Request>(64, read));

  ASSERT_EQ(answers.size(), 64u);
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.reply.listing().packed().size(), 100u * 232 + 2 * 32);
  }
  EXPECT_GT(messages_, 5u);   // 64 listings of about 22 KiB
  EXPECT_LT(messages_, 20u);  // and as many as fit in each message.
}

TEST_F(ServiceTest, FullBatchOfOpensFitsOneMessagesDescriptors) {
  share_.Write("file");
  Ask(Initialize());
  const auto answers = Ask(std::vector<rpc::Request>(64, OpenOf(Lookup("file"))));
  ASSERT_EQ(answers.size(), 64u);
  for (const Answer& answer : answers) EXPECT_TRUE(answer.fd.valid());
  EXPECT_EQ(messages_, 1u);
}

TEST_F(ServiceTest, ManyThreadsAndChannelsKeepRepliesApart) {
  for (int i = 0; i < 10; ++i) share_.Write(std::to_string(i));
  Ask(Initialize());
  std::vector<std::thread> threads;
  for (size_t channel = 0; channel < kChannels; ++channel) {
    threads.emplace_back([this, channel] {
      RpcPeer& worker = worker_[channel];
      std::map<uint64_t, int> asked;
      uint64_t id = 0;
      for (int round = 0; round < 300; ++round) {
        // Several batches on their way at once.
        for (int message = 0; message < 3; ++message) {
          rpc::RequestBatch batch;
          for (int i = 0; i < 8; ++i) {
            auto* request = batch.add_requests();
            const int file = static_cast<int>(++id % 10);
            *request = LookupOf(std::to_string(file));
            request->set_id(id);
            asked[id] = file;
          }
          ASSERT_TRUE(worker.SendMessage(batch).ok());
        }
        while (!asked.empty()) {
          rpc::ReplyBatch replies;
          ASSERT_TRUE(worker.ReceiveMessage(replies, 0).ok());
          for (const rpc::Reply& reply : replies.replies()) {
            ASSERT_EQ(asked.count(reply.id()), 1u) << "answered twice, or never asked";
            ASSERT_EQ(reply.error(), 0u);
            ASSERT_EQ(reply.entry().attributes().ino(),
                      share_.Stat(std::to_string(asked[reply.id()])).st_ino);
            asked.erase(reply.id());
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ServiceTest, InitializeDuringOperationsOfOthersLeaksNothing) {
  for (int i = 0; i < 10; ++i) share_.Write(std::to_string(i));
  Ask(Initialize(), 0);
  std::atomic<bool> done{false};
  std::thread other([this, &done] {
    while (!done) {
      for (int i = 0; i < 10; ++i)
        Ask(OpenOf(Ask(LookupOf(std::to_string(i)), 1).reply.entry().node_id()), 1);
    }
  });
  for (int i = 0; i < 200; ++i) EXPECT_EQ(Ask(Initialize(), 0).reply.error(), 0u);
  done = true;
  other.join();
  EXPECT_EQ(Ask(Reset(), 0).reply.error(), 0u);
  service_.reset();
  EXPECT_EQ(filesystem_->budget().used(), 0u);
}

// A lease makes open(2) wait for its holder.
TEST_F(ServiceTest, SlowRequestHoldsUpNoOtherMessageOfItsChannel) {
  StartService();
  share_.Write("file");
  Ask(Initialize());
  rpc::Request slow = OpenOf(Lookup("file"));
  slow.mutable_open()->set_flags(O_WRONLY);
  std::signal(SIGIO, SIG_IGN);  // Tells the holder that somebody waits.
  const UniqueFd leased(open(share_.Path("file").c_str(), O_RDONLY | O_CLOEXEC));
  if (fcntl(leased.get(), F_SETLEASE, F_RDLCK) < 0) GTEST_SKIP() << "no leases here";

  rpc::RequestBatch batch;
  *batch.add_requests() = slow;
  batch.mutable_requests(0)->set_id(1000);
  ASSERT_TRUE(worker_[0].SendMessage(batch).ok());
  // Its descriptor would fail Ask(): the slow one isn't answered before these.
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Ask(GetAttributesOf(kRoot)).reply.id(), 1u);

  ASSERT_EQ(fcntl(leased.get(), F_SETLEASE, F_UNLCK), 0);
  rpc::ReplyBatch replies;
  const auto descriptors = worker_[0].ReceiveMessage(replies, 1);
  ASSERT_TRUE(descriptors.ok());
  EXPECT_EQ(replies.replies(0).id(), 1000u);
  EXPECT_EQ(replies.replies(0).error(), 0u);
  EXPECT_EQ(descriptors->size(), 1u);
}

TEST_F(ServiceTest, WorkerThatEndsIsNoFailure) {
  Ask(Initialize(), 1);
  { const RpcPeer gone = std::move(worker_[0]); }
  EXPECT_EQ(Ask(GetAttributesOf(kRoot), 1).reply.error(), 0u);
  EXPECT_EQ(failures_, 0);
}

TEST_F(ServiceTest, StartsWithoutServingUntilItIsLet) {
  std::vector<RpcChannel> ends;
  ends.push_back(AddChannel());
  RpcPeer& worker = worker_.back();
  BrokerService service(*filesystem_, std::move(ends), {});
  ASSERT_TRUE(service.Start().ok());
  rpc::RequestBatch batch;
  *batch.add_requests() = Initialize();
  batch.mutable_requests(0)->set_id(1);
  ASSERT_TRUE(worker.SendMessage(batch).ok());
  rpc::ReplyBatch replies;
  EXPECT_EQ(worker.ReceiveMessage(replies, 0, Channel::Wait::kBlock, /*timeout=*/100).errno_value(),
            EAGAIN);
  service.Serve();
  EXPECT_TRUE(worker.ReceiveMessage(replies, 0).ok());
}

}  // namespace
}  // namespace postern
