// What is written is what is read.
#include <fcntl.h>

#include "tests/conformance/check.h"

namespace postern::conformance {
namespace {

void AddSizes(std::vector<Check>& checks) {
  for (const size_t size : {0u, 1u, 511u, 4095u, 4096u, 4097u, 65536u, 131073u, 1048575u, 1048576u,
                            1048577u, 3145729u}) {
    for (const off_t offset : {0, 1, 4095, 4096, 1000003}) {
      checks.push_back({"data/write-read/" + std::to_string(size) + "-at-" + std::to_string(offset),
                        kNothing, [size, offset](Script& s) {
                          s.Open("f", O_RDWR | O_CREAT);
                          s.Write(0, offset, Pattern(size, 1));
                          s.Fstat(0);
                          s.Read(0, offset, size);
                          s.Read(0, offset, size + 10);
                          s.Read(0, 0, 5000);
                          s.Close(0);
                          s.Content("f");
                        }});
    }
  }
}

void AddTruncations(std::vector<Check>& checks) {
  for (const off_t size : {off_t{0}, off_t{1}, off_t{4095}, off_t{4096}, off_t{10000}, off_t{10001},
                           off_t{1} << 33, off_t{-1}}) {
    checks.push_back({"data/truncate/to-" + std::to_string(size), kNothing, [size](Script& s) {
                        s.MakeFile("f", Pattern(10000, 2));
                        s.Truncate("f", size);
                        s.Stat("f");
                        s.Open("f", O_RDWR);
                        s.Read(0, 0, 12000);
                        s.Ftruncate(0, 10000);
                        s.Read(0, 0, 12000);
                        s.Ftruncate(0, size);
                        s.Fstat(0);
                      }});
  }
}

}  // namespace

void AddDataChecks(std::vector<Check>& checks) {
  AddSizes(checks);
  AddTruncations(checks);
  checks.push_back({"data/append-goes-to-the-end", kNothing, [](Script& s) {
                      s.MakeFile("f", "0123");
                      s.Open("f", O_RDWR | O_APPEND);
                      s.Write(0, 0, "abc");
                      s.Write(0, 1, "de");
                      s.Truncate("f", 2);
                      s.Write(0, 100, "xyz");
                      s.Content("f");
                    }});
  checks.push_back({"data/two-appenders", kNothing, [](Script& s) {
                      s.Open("f", O_WRONLY | O_APPEND | O_CREAT);
                      s.Open("f", O_WRONLY | O_APPEND);
                      for (size_t i = 0; i < 10; ++i) s.Write(i % 2, 0, Pattern(777, 3));
                      s.Content("f");
                    }});
  checks.push_back({"data/create-with-append", kNothing, [](Script& s) {
                      s.Open("f", O_RDWR | O_CREAT | O_APPEND);
                      s.Write(0, 0, "abc");
                      s.Write(0, 0, "def");
                      s.Read(0, 0, 10);
                    }});
  checks.push_back({"data/read-through-write-only", kNothing, [](Script& s) {
                      s.MakeFile("f");
                      s.Open("f", O_WRONLY);
                      s.Read(0, 0, 10);
                    }});
  checks.push_back({"data/write-through-read-only", kNothing, [](Script& s) {
                      s.MakeFile("f");
                      s.Open("f", O_RDONLY);
                      s.Write(0, 0, "x");
                      s.Ftruncate(0, 0);
                      s.Content("f");
                    }});
  checks.push_back({"data/created-read-only", kNothing, [](Script& s) {
                      s.Open("f", O_RDONLY | O_CREAT, 0200);
                      s.Write(0, 0, "x");
                      s.Read(0, 0, 1);
                      s.Fstat(0);
                    }});
  checks.push_back({"data/created-without-any-right-is-writable", kNothing, [](Script& s) {
                      s.As({.uid = kUser, .gid = kGroup});
                      s.Open("f", O_RDWR | O_CREAT | O_EXCL, 0);
                      s.Write(0, 0, "abc");
                      s.Read(0, 0, 10);
                      s.Fstat(0);
                    }});
  checks.push_back({"data/read-of-directory", kNothing, [](Script& s) {
                      s.Mkdir("d");
                      s.Open("d", O_RDONLY);
                      s.Read(0, 0, 10);
                      s.Write(0, 0, "x");
                    }});
  checks.push_back({"data/two-handles-see-each-other", kNothing, [](Script& s) {
                      s.Open("f", O_RDWR | O_CREAT);
                      s.Open("f", O_RDONLY);
                      s.Write(0, 0, Pattern(9000, 4));
                      s.Read(1, 0, 10000);
                      s.Write(0, 5000, "overwritten");
                      s.Read(1, 4990, 30);
                      s.Ftruncate(0, 5003);
                      s.Read(1, 4990, 30);
                    }});
  checks.push_back({"data/sparse-writes", kNothing, [](Script& s) {
                      s.Open("f", O_RDWR | O_CREAT);
                      for (off_t at = 0; at < 20; ++at) s.Write(0, at * 70001, Pattern(33, 5));
                      s.Fstat(0);
                      s.Content("f");
                    }});
  checks.push_back({"data/far-offset", kNothing, [](Script& s) {
                      s.Open("f", O_RDWR | O_CREAT);
                      s.Write(0, off_t{1} << 40, "far");
                      s.Fstat(0);
                      s.Read(0, (off_t{1} << 40) - 2, 10);
                    }});
  checks.push_back({"data/offset-beyond-the-filesystem", kKernel, [](Script& s) {
                      s.Open("f", O_RDWR | O_CREAT);
                      s.Write(0, INT64_MAX - 10, "x");
                      s.Read(0, INT64_MAX - 10, 5);
                      s.Write(0, -1, "x");
                      s.Read(0, -1, 5);
                      s.Truncate("f", INT64_MAX);
                    }});
  checks.push_back({"data/sync", kNothing, [](Script& s) {
                      s.Open("f", O_RDWR | O_CREAT | O_SYNC);
                      s.Write(0, 0, "abc");
                      s.Fsync(0);
                      s.Fsync(0, /*data_only=*/true);
                      s.Content("f");
                    }});
  checks.push_back({"data/content-stays-after-rename-and-link", kNothing, [](Script& s) {
                      s.MakeFile("a", Pattern(5000, 6));
                      s.Link("a", "b");
                      s.Rename("a", "c");
                      s.Open("b", O_WRONLY);
                      s.Write(0, 100, "through b");
                      s.Content("c");
                      s.SameFile("b", "c");
                    }});
}

}  // namespace postern::conformance
