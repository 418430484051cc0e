// Extended attributes.
#include <fcntl.h>
#include <sys/xattr.h>

#include "tests/conformance/check.h"

namespace postern::conformance {
namespace {

struct Target {
  const char* name;
  void (*make)(Script&);
};

constexpr Target kTargets[] = {
    {"file", [](Script& s) { s.MakeFile("it"); }},
    {"unreadable-file", [](Script& s) { s.MakeFile("it", "", 0); }},
    {"directory", [](Script& s) { s.Mkdir("it"); }},
    {"link", [](Script& s) { s.Symlink("nowhere", "it"); }},
    {"fifo", [](Script& s) { s.Mknod("it", S_IFIFO | 0600); }},
    {"socket", [](Script& s) { s.Mknod("it", S_IFSOCK | 0600); }},
    {"device", [](Script& s) { s.Mknod("it", S_IFCHR | 0600, 0x103); }},
};

void AddOn(std::vector<Check>& checks, const Target& target, const std::string& space,
           uint32_t needs) {
  const std::string family = std::string("xattr/") + space + "/" + target.name + "/";
  const std::string name = space + ".name";
  constexpr Last kIt = Last::kNoFollow;
  const auto add = [&](const char* what, std::function<void(Script&)> run) {
    checks.push_back({family + what, needs, [target, run = std::move(run)](Script& s) {
                        target.make(s);
                        run(s);
                        s.Listxattr("it", 65536, kIt);
                      }});
  };
  add("set-get-remove", [name](Script& s) {
    s.Setxattr("it", name, "value", 0, kIt);
    s.Getxattr("it", name, 65536, kIt);
    s.Listxattr("it", 65536, kIt);
    s.Removexattr("it", name, kIt);
    s.Getxattr("it", name, 65536, kIt);
  });
  add("replace-missing",
      [name](Script& s) { s.Setxattr("it", name, "value", XATTR_REPLACE, kIt); });
  add("create-twice", [name](Script& s) {
    s.Setxattr("it", name, "one", XATTR_CREATE, kIt);
    s.Setxattr("it", name, "two", XATTR_CREATE, kIt);
    s.Setxattr("it", name, "three", XATTR_REPLACE, kIt);
    s.Getxattr("it", name, 65536, kIt);
  });
  add("remove-missing", [name](Script& s) { s.Removexattr("it", name, kIt); });
  add("sizes", [name](Script& s) {
    s.Setxattr("it", name, "value", 0, kIt);
    for (const size_t size : {0u, 1u, 4u, 5u, 6u}) s.Getxattr("it", name, size, kIt);
    s.Listxattr("it", 1, kIt);
  });
  add("empty-and-binary-values", [name](Script& s) {
    s.Setxattr("it", name, "", 0, kIt);
    s.Getxattr("it", name, 100, kIt);
    s.Setxattr("it", name, std::string("\0\xff\n\0", 4), 0, kIt);
    s.Getxattr("it", name, 100, kIt);
  });
}

}  // namespace

void AddXattrChecks(std::vector<Check>& checks) {
  for (const Target& target : kTargets) {
    AddOn(checks, target, "user", kXattr);
    AddOn(checks, target, "trusted", kXattr | kTrustedXattr);
    AddOn(checks, target, "nosuchspace", kXattr);
  }
  for (const size_t size : {100u, 1000u, 3000u, 65536u, 65537u}) {
    checks.push_back({"xattr/value-of-size/" + std::to_string(size), kXattr, [size](Script& s) {
                        s.MakeFile("it");
                        s.Setxattr("it", "user.big", Pattern(size, 1));
                        s.Getxattr("it", "user.big", 65536);
                        s.Listxattr("it");
                      }});
  }
  for (const size_t length : {6u, 100u, 255u, 256u}) {
    checks.push_back(
        {"xattr/name-of-length/" + std::to_string(length), kXattr, [length](Script& s) {
           s.MakeFile("it");
           const std::string name = "user." + std::string(length - 5, 'n');
           s.Setxattr("it", name, "value");
           s.Getxattr("it", name);
           s.Listxattr("it");
           s.Removexattr("it", name);
         }});
  }
  for (const char* name : {"", "user", "user.", ".name", "system.nosuch", "name"}) {
    checks.push_back({std::string("xattr/odd-name/") + (*name == '\0' ? "empty" : name),
                      kXattr | (*name == '\0' ? kKernel : kNothing), [name](Script& s) {
                        s.MakeFile("it");
                        s.Setxattr("it", name, "value");
                        s.Getxattr("it", name);
                        s.Removexattr("it", name);
                        s.Listxattr("it");
                      }});
  }
  checks.push_back({"xattr/many", kXattr, [](Script& s) {
                      s.MakeFile("it");
                      for (int i = 0; i < 30; ++i) {
                        s.Setxattr("it", "user.name-" + std::to_string(i), "v" + std::to_string(i));
                      }
                      s.Listxattr("it");
                      s.Listxattr("it", 20);
                      s.Getxattr("it", "user.name-17");
                    }});
  checks.push_back({"xattr/follows-links", kXattr, [](Script& s) {
                      s.MakeFile("f");
                      s.Symlink("f", "l");
                      s.Setxattr("l", "user.a", "through the link");
                      s.Getxattr("f", "user.a");
                      s.Listxattr("l");
                    }});
  checks.push_back({"xattr/stays-with-rename-and-link", kXattr, [](Script& s) {
                      s.MakeFile("f");
                      s.Setxattr("f", "user.a", "1");
                      s.Link("f", "g");
                      s.Rename("f", "h");
                      s.Getxattr("g", "user.a");
                      s.Getxattr("h", "user.a");
                    }});
  checks.push_back({"xattr/unknown-flag", kXattr | kKernel, [](Script& s) {
                      s.MakeFile("f");
                      s.Setxattr("f", "user.a", "1", 0x80);
                    }});
  // VFS_CAP_REVISION_2 with CAP_NET_RAW; linux/capability.h.
  const std::string capability(
      "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00",
      20);
  static constexpr struct {
    const char* name;
    void (*act)(Script&);
  } kActs[] = {
      {"nothing", [](Script&) {}},
      {"write",
       [](Script& s) {
         s.Open("f", O_WRONLY);
         s.Write(0, 0, "x");
       }},
      {"truncate", [](Script& s) { s.Truncate("f", 1); }},
      {"open-truncate", [](Script& s) { s.Open("f", O_WRONLY | O_TRUNC); }},
      {"chown", [](Script& s) { s.Chown("f", 5, 6); }},
      {"chmod", [](Script& s) { s.Chmod("f", 0700); }},
      {"remove", [](Script& s) { s.Removexattr("f", "security.capability"); }},
  };
  for (const auto& act : kActs) {
    checks.push_back({std::string("xattr/file-capability-after/") + act.name, kXattr,
                      [act, capability](Script& s) {
                        s.MakeFile("f");
                        s.Setxattr("f", "security.capability", capability);
                        act.act(s);
                        s.Getxattr("f", "security.capability");
                        s.Stat("f");
                      }});
  }
  checks.push_back({"xattr/by-users", kXattr | kKernel, [](Script& s) {
                      s.MakeFile("f", "", 0640);
                      s.Chown("f", kUser, kGroup);
                      for (const uid_t uid : {kUser, kOtherUser}) {
                        for (const gid_t gid : {kGroup, kOtherGroup}) {
                          s.As({.uid = uid, .gid = gid});
                          s.Setxattr("f", "user.a", "1");
                          s.Getxattr("f", "user.a");
                          s.Setxattr("f", "trusted.a", "1");
                          s.Getxattr("f", "trusted.a");
                          s.Setxattr("f", "security.capability", "");
                          s.Removexattr("f", "user.a");
                        }
                      }
                    }});
}

}  // namespace postern::conformance
