#include "tests/bench/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <fstream>
#include <string_view>

#include "tests/bench/record/trace_recorder.h"
#include "tests/bench/targets.h"

namespace postern::bench {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RecordedTraceTest : public testing::TestWithParam<const char*> {};

TEST_P(RecordedTraceTest, IsReadAsItWasWritten) {
  const std::string path = std::string(POSTERN_TRACES) + "/" + GetParam();
  const auto trace = LoadTrace(path);
  ASSERT_TRUE(trace.ok()) << trace.status();
  std::vector<std::string> written;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#") || line.starts_with("file ") || line.starts_with("directory "))
      continue;
    written.push_back(line);
  }
  std::vector<std::string> read;
  for (const TraceRequest& request : trace->requests) read.push_back(request.Text());
  EXPECT_GT(read.size(), 100u);
  EXPECT_EQ(read, written);
}

INSTANTIATE_TEST_SUITE_P(All, RecordedTraceTest, testing::Values("untar.trace", "git-status.trace"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find_first_of("-."));
                         });

std::string MessageOf(uint32_t opcode, uint64_t node, std::string_view body) {
  fuse_in_header header{};
  header.opcode = opcode;
  header.nodeid = node;
  // Safe because char aliases everything.
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) + std::string(body);
}

std::string AnswerOf(int error, std::string_view body = {}) {
  fuse_out_header header{};
  header.error = error;
  return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) + std::string(body);
}

class TraceRecorderTest : public testing::Test {
 protected:
  void Add(const std::string& request, const std::string& answer) {
    recorder_.Add(std::as_bytes(std::span(request)), std::as_bytes(std::span(answer)));
  }
  void Lookup(std::string name, int error, uint64_t node = 0) {
    fuse_entry_out entry{};
    entry.nodeid = node;
    const std::string_view body(reinterpret_cast<const char*>(&entry), sizeof(entry));
    Add(MessageOf(FUSE_LOOKUP, FUSE_ROOT_ID, name + '\0'),
        AnswerOf(error, error == 0 ? body : std::string_view()));
  }
  TraceRecorder recorder_;
};

TEST_F(TraceRecorderTest, OnlyWhatIsBetweenTheMarksIsRecorded) {
  Lookup("before", -ENOENT);
  Lookup(TraceRecorder::kBegin, -ENOENT);
  Lookup("a name", -ENOENT);
  Lookup(TraceRecorder::kEnd, -ENOENT);
  Lookup("after", -ENOENT);
  EXPECT_TRUE(recorder_.complete());
  EXPECT_THAT(recorder_.lines(), ElementsAre("lookup n=1 s=a%20name E=2"));
}

TEST_F(TraceRecorderTest, NodesAreNumberedAsTheyAppear) {
  Lookup(TraceRecorder::kBegin, -ENOENT);
  Lookup("a", 0, 4711);
  Lookup("b", 0, 17);
  Lookup("a", 0, 4711);
  const fuse_forget_in forget{.nlookup = 2};
  Add(MessageOf(FUSE_FORGET, 4711,
                std::string_view(reinterpret_cast<const char*>(&forget), sizeof(forget))),
      "");
  EXPECT_THAT(recorder_.lines(), ElementsAre("lookup n=1 s=a N=2", "lookup n=1 s=b N=3",
                                             "lookup n=1 s=a N=2", "forget f=2*2"));
}

TEST_F(TraceRecorderTest, OperationThatNoTraceHoldsIsReported) {
  Lookup(TraceRecorder::kBegin, -ENOENT);
  Add(MessageOf(FUSE_IOCTL, 1, {}), AnswerOf(-ENOSYS));
  EXPECT_THAT(recorder_.unknown(), ElementsAre(FUSE_IOCTL));
  EXPECT_THAT(recorder_.lines(), IsEmpty());
}

Row RowOf(const std::string& workload, size_t depth, double ours, double theirs) {
  Row row{.workload = workload, .unit = "op", .depth = depth, .queues = 1, .contenders = {}};
  row.contenders = {{"ours", {{.per_second = ours}}}, {"theirs", {{.per_second = theirs}}}};
  return row;
}

TEST(TargetsTest, RateBelowTheTargetIsMissed) {
  Report report;
  report.baselines = {"theirs"};
  report.place = {Place::Placement::kApart, /*crowded=*/false};
  report.rows = {RowOf("getattr", 1, 15, 10), RowOf("getattr", 32, 12, 10)};
  const std::vector<Verdict> verdicts = Judge(report);
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_TRUE(verdicts[0].met());
  EXPECT_FALSE(verdicts[1].met());
  EXPECT_EQ(verdicts[1].what, "getattr, depth 32: rate");
}

TEST(TargetsTest, EachPlaceHasItsOwn) {
  Report report;
  report.baselines = {"theirs"};
  report.place = {Place::Placement::kFree, /*crowded=*/false};
  report.rows = {RowOf("getattr", 1, 10, 10)};
  ASSERT_EQ(Judge(report).size(), 1u);
  EXPECT_FALSE(Judge(report)[0].met());
  report.place.crowded = true;
  ASSERT_EQ(Judge(report).size(), 1u);
  EXPECT_TRUE(Judge(report)[0].met());
}

TEST(TargetsTest, WithoutBaselineNothingIsJudged) {
  Report report;
  report.place = {Place::Placement::kApart, /*crowded=*/false};
  report.rows = {RowOf("getattr", 1, 10, 10)};
  EXPECT_THAT(Judge(report), IsEmpty());
}

}  // namespace
}  // namespace postern::bench
