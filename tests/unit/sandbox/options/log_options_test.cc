#include "sandbox/options/log_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sandbox/parsed_options.h"

namespace postern {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

LogLevel Level(const Arguments& arguments, const char* rust_log = nullptr) {
  return ChooseLogLevel(Parsed(With(arguments)), rust_log).level;
}

TEST(ChooseLogLevelTest, OptionGivesTheLevel) {
  EXPECT_EQ(Level({}), LogLevel::kInfo);
  EXPECT_EQ(Level({"--log-level=warn"}), LogLevel::kWarn);
}

TEST(ChooseLogLevelTest, DebugFlagWinsOverTheOptions) {
  EXPECT_EQ(Level({"-d", "--log-level=warn"}), LogLevel::kDebug);
  EXPECT_EQ(Level({"-d", "-o", "loglevel=err"}), LogLevel::kDebug);
}

TEST(ChooseLogLevelTest, RustLogWinsOverAll) {
  EXPECT_EQ(Level({"-d", "--log-level=error"}, "trace"), LogLevel::kTrace);
  EXPECT_EQ(Level({}, "WARN"), LogLevel::kWarn);
  EXPECT_EQ(Level({}, "off"), LogLevel::kOff);
}

TEST(ChooseLogLevelTest, EmptyRustLogMeansErrors) { EXPECT_EQ(Level({}, ""), LogLevel::kError); }

TEST(ChooseLogLevelTest, OtherPartsOfRustLogAreIgnored) {
  const LogChoice choice =
      ChooseLogLevel(Parsed(With({})), "hyper=trace, debug ,error,virtiofsd=warn");
  EXPECT_EQ(choice.level, LogLevel::kError);
  EXPECT_THAT(choice.ignored, ElementsAre("hyper=trace", "virtiofsd=warn"));
}

TEST(ChooseLogLevelTest, RustLogWithoutALevelLeavesTheOptions) {
  EXPECT_EQ(Level({"--log-level=warn"}, "loud"), LogLevel::kWarn);
}

TEST(DeprecationWarningsTest, NothingIsSaidAboutTodaysOptions) {
  EXPECT_THAT(DeprecationWarnings(Parsed(
                  With({"--log-level=debug", "--inode-file-handles=prefer", "--cache=never"}))),
              IsEmpty());
}

TEST(DeprecationWarningsTest, EachOldOptionGetsALine) {
  EXPECT_THAT(
      DeprecationWarnings(Parsed({"--shared-dir=/s", "--socket=/run/s", "-f", "-d", "-o", "xattr",
                                  "-o", "writeback", "--inode-file-handles=fallback"})),
      ElementsAre(HasSubstr("'-f': This flag has no effect, please remove it"),
                  HasSubstr("'-d': Please use the '--log-level debug' option instead"),
                  HasSubstr("(e.g., '--cache auto' instead of '-o cache=auto')"),
                  HasSubstr("deprecated value 'fallback' for '--inode-file-handles'"),
                  HasSubstr("'--socket': Please use the '--socket-path' option instead")));
}

TEST(DeprecationWarningsTest, SocketThatIsOverruledIsNotWorthALine) {
  EXPECT_THAT(DeprecationWarnings(Parsed(With({"--socket=/run/old"}))), IsEmpty());
}

}  // namespace
}  // namespace postern
