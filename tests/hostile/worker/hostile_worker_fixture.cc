#include "tests/hostile/worker/hostile_worker_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace postern {

using testing::IsEmpty;
using testing::SizeIs;

void HostileWorkerTest::SetUp() {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, for fanotify and for acting as any user";
  std::filesystem::create_directories(Share("directory/inner"));
  std::ofstream(Share("file")) << "content";
  std::filesystem::create_symlink(Outside("victim"), Share("link"));
  ASSERT_EQ(mkfifo(Share("fifo").c_str(), 0666), 0);
  canary_ = std::make_unique<Canary>(Outside());
}

void HostileWorkerTest::StartBroker(const Words& options, bool initialize) {
  if (broker_) ExpectEndsInOrder();
  ended_ = false;
  auto broker = BrokerUnderAttack::Start({Share(), Path("log"), options, over_});
  ASSERT_TRUE(broker.ok()) << broker.status();
  broker_ = std::move(*broker);
  descriptors_at_start_ = broker_->Descriptors();
  if (initialize) {
    ASSERT_EQ(Ask(requests::Initialize()).error(), 0);
  }
}

void HostileWorkerTest::TearDown() {
  if (!canary_) return;
  if (broker_) ExpectEndsInOrder();
  EXPECT_THAT(canary_->Touches(), IsEmpty());
}

void HostileWorkerTest::ExpectEndsInOrder() {
  if (ended_) return;
  ended_ = true;
  EXPECT_EQ(Ask(requests::Reset(), 0).error(), 0);
  // A thread that has just answered an OPEN keeps the file for a moment more.
  EXPECT_TRUE(Eventually([this] { return broker_->Descriptors() == descriptors_at_start_; }))
      << broker_->Descriptors() << " descriptors instead of " << descriptors_at_start_;
  broker_->CloseControl();
  const auto end = broker_->WaitForEnd();
  ASSERT_TRUE(end.has_value()) << "it goes on running";
  EXPECT_TRUE(end->IsSuccess()) << end->Text() << "\n" << broker_->Log();
  // A limit that was reached may be worth a line.
  EXPECT_LE(LogLines().size(), 1u) << broker_->Log();
}

void HostileWorkerTest::ExpectSessionEnds(const std::string& reason) {
  ended_ = true;
  const auto end = broker_->WaitForEnd();
  ASSERT_TRUE(end.has_value()) << "it goes on running";
  EXPECT_EQ(end->exit_status, 1) << end->Text();
  const std::string line = "the worker broke the protocol (" + (reason.empty() ? "" : reason + ")");
  EXPECT_THAT(LogLines(), testing::ElementsAre(testing::HasSubstr(line)));
}

void HostileWorkerTest::ExpectServes() {
  for (size_t i = 0; i < broker_->channels(); ++i) {
    EXPECT_EQ(Ask(requests::GetAttributes(kRoot), i).error(), 0) << "channel " << i;
  }
}

HostileWorkerTest::Words HostileWorkerTest::LogLines() const {
  Words lines;
  std::istringstream log(broker_->Log());
  for (std::string line; std::getline(log, line);) lines.push_back(line);
  return lines;
}

uint64_t HostileWorkerTest::NodeOf(const std::string& name, uint64_t parent) {
  const auto answer = Ask(requests::Lookup(parent, name));
  EXPECT_EQ(answer.error(), 0) << name;
  return answer.reply.entry().node_id();
}

HostileWorkerTest::Known HostileWorkerTest::LearnIds() {
  Known known;
  known.file = NodeOf("file");
  known.directory = NodeOf("directory");
  known.link = NodeOf("link");
  known.fifo = NodeOf("fifo");
  const auto file = Ask(requests::Open(known.file, O_RDWR));
  EXPECT_EQ(file.error(), 0);
  known.open_file = file.reply.opened().open_file_id();
  const auto directory = Ask(requests::OpenDirectory(known.directory));
  EXPECT_EQ(directory.error(), 0);
  known.open_directory = directory.reply.opened().open_file_id();
  return known;
}

}  // namespace postern
