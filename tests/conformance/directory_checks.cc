// Directories: what they list, and how they count.
#include <fcntl.h>

#include "tests/conformance/check.h"

namespace postern::conformance {

void AddDirectoryChecks(std::vector<Check>& checks) {
  for (const int count : {0, 1, 2, 10, 100, 1000}) {
    checks.push_back({"directory/list/" + std::to_string(count), kNothing, [count](Script& s) {
                        s.Mkdir("d");
                        for (int i = 0; i < count; ++i) {
                          s.Mknod("d/entry-" + std::to_string(i), S_IFREG | 0600);
                        }
                        s.List("d");
                        s.Lstat("d");
                      }});
  }
  for (const size_t length : {1u, 2u, 7u, 8u, 9u, 100u, 254u, 255u}) {
    checks.push_back(
        {"directory/list-names-of-length/" + std::to_string(length), kNothing, [length](Script& s) {
           s.Mkdir("d");
           for (const char c : {'a', 'b', 'c', 'd', '\x80', '\n'}) {
             s.MakeFile("d/" + std::string(length, c), "");
           }
           s.List("d");
         }});
  }
  checks.push_back({"directory/list-has-every-type", kNothing, [](Script& s) {
                      s.Mkdir("d");
                      s.MakeFile("d/file");
                      s.Mkdir("d/directory");
                      s.Symlink("x", "d/symlink");
                      s.Mknod("d/fifo", S_IFIFO | 0600);
                      s.Mknod("d/socket", S_IFSOCK | 0600);
                      s.Mknod("d/character", S_IFCHR | 0600, 0x103);
                      s.Mknod("d/block", S_IFBLK | 0600, 0x103);
                      s.List("d");
                    }});
  checks.push_back({"directory/list-after-removals", kNothing, [](Script& s) {
                      s.Mkdir("d");
                      for (int i = 0; i < 50; ++i) s.MakeFile("d/" + std::to_string(i), "");
                      for (int i = 0; i < 50; i += 3) s.Unlink("d/" + std::to_string(i));
                      s.List("d");
                    }});
  checks.push_back({"directory/link-count-of-parent", kNothing, [](Script& s) {
                      s.Mkdir("d");
                      s.Lstat("d");
                      s.Mkdir("d/a");
                      s.Mkdir("d/b");
                      s.MakeFile("d/c");
                      s.Lstat("d");
                      s.Rmdir("d/a");
                      s.Lstat("d");
                    }});
  checks.push_back({"directory/link-count-of-file", kNothing, [](Script& s) {
                      s.MakeFile("f");
                      for (int i = 0; i < 5; ++i) s.Link("f", "l" + std::to_string(i));
                      s.Lstat("f");
                      s.Unlink("f");
                      s.Lstat("l0");
                      s.SameFile("l0", "l4");
                    }});
  checks.push_back({"directory/hard-link-to-directory", kNothing, [](Script& s) {
                      s.Mkdir("d");
                      s.Link("d", "e");
                      s.List(".");
                    }});
  checks.push_back({"directory/hard-link-to-symlink-is-the-link", kNothing, [](Script& s) {
                      s.MakeFile("f");
                      s.Symlink("f", "s");
                      s.Link("s", "t");
                      s.Lstat("t");
                      s.SameFile("s", "t");
                      s.Readlink("t");
                    }});
  checks.push_back({"directory/hard-link-of-special-files", kNothing, [](Script& s) {
                      s.Mknod("fifo", S_IFIFO | 0600);
                      s.Mknod("device", S_IFCHR | 0600, 0x103);
                      s.Mknod("socket", S_IFSOCK | 0600);
                      for (const char* name : {"fifo", "device", "socket"}) {
                        s.Link(name, std::string("d-") + name);
                        s.Lstat(std::string("d-") + name);
                      }
                    }});
  for (const size_t length : {1u, 59u, 60u, 255u, 256u, 1023u, 4000u, 4095u, 4096u}) {
    checks.push_back({"directory/symlink-target-of-length/" + std::to_string(length), kNothing,
                      [length](Script& s) {
                        s.Symlink(std::string(length, 't'), "l");
                        s.Lstat("l");
                        s.Readlink("l");
                      }});
  }
  checks.push_back({"directory/symlink-target-of-odd-bytes", kNothing, [](Script& s) {
                      s.Symlink("\x01\xff//..//\n x", "l");
                      s.Readlink("l");
                      s.Symlink("", "m");
                      s.Lstat("m");
                    }});
  checks.push_back({"directory/symlink-chain-of-40", kNothing, [](Script& s) {
                      s.MakeFile("l0", "the end");
                      for (int i = 1; i <= 41; ++i) {
                        s.Symlink("l" + std::to_string(i - 1), "l" + std::to_string(i));
                      }
                      s.Content("l40");
                      s.Content("l41");
                    }});
  for (const dev_t device : {dev_t{0}, dev_t{0x101}, dev_t{0xfffff}, dev_t{0xfff00}}) {
    checks.push_back(
        {"directory/device-number/" + std::to_string(device), kNothing, [device](Script& s) {
           s.Mknod("c", S_IFCHR | 0600, device);
           s.Mknod("b", S_IFBLK | 0600, device);
           s.Lstat("c");
           s.Lstat("b");
         }});
  }
  checks.push_back({"directory/same-file-through-two-paths", kNothing, [](Script& s) {
                      s.Mkdir("d");
                      s.Symlink("d", "e");
                      s.MakeFile("d/f");
                      s.MakeFile("d/g");
                      s.SameFile("d/f", "e/f");
                      s.SameFile("d/f", "d/g");
                    }});
}

}  // namespace postern::conformance
