// fallocate, holes, copy_file_range.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "tests/conformance/check.h"

namespace postern::conformance {
namespace {

constexpr off_t kBlock = 65536;  // A multiple of what filesystems care about.

void AddFallocate(std::vector<Check>& checks) {
  static constexpr struct {
    const char* name;
    int mode;
  } kModes[] = {{"plain", 0},
                {"keep-size", FALLOC_FL_KEEP_SIZE},
                {"punch-hole", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
                {"punch-hole-without-keep-size", FALLOC_FL_PUNCH_HOLE},
                {"zero-range", FALLOC_FL_ZERO_RANGE},
                {"zero-range-keep-size", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE},
                {"collapse", FALLOC_FL_COLLAPSE_RANGE},
                {"insert", FALLOC_FL_INSERT_RANGE},
                {"unknown", 0x400}};
  static constexpr struct {
    const char* name;
    off_t offset;
    off_t length;
  } kRanges[] = {{"inside", kBlock, kBlock},
                 {"whole", 0, 4 * kBlock},
                 {"across-the-end", 3 * kBlock, 2 * kBlock},
                 {"beyond-the-end", 6 * kBlock, kBlock},
                 {"unaligned", 1000, 5000},
                 {"nothing", 0, 0},
                 {"negative", -1, 10}};
  for (const auto& mode : kModes) {
    for (const auto& range : kRanges) {
      checks.push_back({std::string("space/fallocate/") + mode.name + "/" + range.name, kNothing,
                        [mode, range](Script& s) {
                          s.MakeFile("f", Pattern(4 * kBlock, 1));
                          s.Open("f", O_RDWR);
                          s.Fallocate(0, mode.mode, range.offset, range.length);
                          s.Fstat(0);
                          s.Content("f");
                          s.Seek(0, 0, SEEK_HOLE);
                        }});
    }
    checks.push_back({std::string("space/fallocate/") + mode.name + "/through-read-only", kNothing,
                      [mode](Script& s) {
                        s.MakeFile("f");
                        s.Open("f", O_RDONLY);
                        s.Fallocate(0, mode.mode, 0, kBlock);
                        s.Stat("f");
                      }});
  }
}

void AddSeek(std::vector<Check>& checks) {
  for (const int whence : {SEEK_DATA, SEEK_HOLE}) {
    const std::string family = std::string("space/seek-") + (whence == SEEK_DATA ? "data" : "hole");
    for (const off_t offset : {off_t{0}, kBlock - 1, kBlock, 2 * kBlock, 4 * kBlock - 1, 4 * kBlock,
                               6 * kBlock, 100 * kBlock, off_t{-1}}) {
      checks.push_back(
          {family + "/from-" + std::to_string(offset), kNothing, [whence, offset](Script& s) {
             s.Open("f", O_RDWR | O_CREAT);
             s.Write(0, 0, Pattern(kBlock, 1));
             s.Write(0, 4 * kBlock, Pattern(kBlock, 2));
             s.Ftruncate(0, 8 * kBlock);
             s.Fsync(0);
             s.Seek(0, offset, whence);
           }});
    }
    checks.push_back({family + "/empty-file", kNothing, [whence](Script& s) {
                        s.Open("f", O_RDWR | O_CREAT);
                        s.Seek(0, 0, whence);
                      }});
  }
}

void AddCopies(std::vector<Check>& checks) {
  static constexpr struct {
    const char* name;
    off_t from;
    off_t to;
    size_t length;
  } kCopies[] = {{"whole", 0, 0, 4 * kBlock},
                 {"piece", 1000, 77, 3000},
                 {"past-the-end", 3 * kBlock, 0, 5 * kBlock},
                 {"from-beyond-the-end", 9 * kBlock, 0, 10},
                 {"to-beyond-the-end", 0, 9 * kBlock, 4000},
                 {"nothing", 0, 0, 0},
                 {"more-than-32-bits", 0, 0, size_t{5} << 30}};
  for (const auto& copy : kCopies) {
    checks.push_back({std::string("space/copy/") + copy.name, kNothing, [copy](Script& s) {
                        s.MakeFile("source", Pattern(4 * kBlock, 1));
                        s.MakeFile("target", Pattern(kBlock, 2));
                        s.Open("source", O_RDONLY);
                        s.Open("target", O_RDWR);
                        s.Copy(0, copy.from, 1, copy.to, copy.length);
                        s.Content("target");
                        s.Stat("source");
                      }});
  }
  checks.push_back({"space/copy/within-a-file", kNothing, [](Script& s) {
                      s.MakeFile("f", Pattern(4 * kBlock, 1));
                      s.Open("f", O_RDWR);
                      s.Copy(0, 0, 0, 2 * kBlock, kBlock);
                      s.Copy(0, 0, 0, 100, 5000);
                      s.Content("f");
                    }});
  checks.push_back({"space/copy/wrong-directions", kNothing, [](Script& s) {
                      s.MakeFile("a");
                      s.MakeFile("b");
                      s.Open("a", O_WRONLY);
                      s.Open("b", O_RDONLY);
                      s.Open("b", O_WRONLY | O_APPEND);
                      s.Copy(0, 0, 2, 0, 4);
                      s.Copy(1, 0, 1, 0, 4);
                      s.Copy(1, 0, 2, 0, 4);
                    }});
}

}  // namespace

void AddSpaceChecks(std::vector<Check>& checks) {
  AddFallocate(checks);
  AddSeek(checks);
  AddCopies(checks);
}

}  // namespace postern::conformance
