// POSIX ACLs, as the extended attributes that they are.
#include <endian.h>
#include <fcntl.h>
#include <linux/posix_acl_xattr.h>

#include <initializer_list>

#include "tests/conformance/check.h"

namespace postern::conformance {
namespace {

// linux/posix_acl.h
constexpr uint16_t kUserObj = 0x01;
constexpr uint16_t kNamedUser = 0x02;
constexpr uint16_t kGroupObj = 0x04;
constexpr uint16_t kNamedGroup = 0x08;
constexpr uint16_t kMask = 0x10;
constexpr uint16_t kOther = 0x20;

constexpr char kAccess[] = "system.posix_acl_access";
constexpr char kDefault[] = "system.posix_acl_default";

struct Entry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id = ~uint32_t{0};
};

template <typename T>
void Append(const T& value, std::string& to) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Acl(std::initializer_list<Entry> entries, uint32_t version = 2) {
  std::string text;
  Append(htole32(version), text);
  for (const Entry& entry : entries) {
    Append(htole16(entry.tag), text);
    Append(htole16(entry.permissions), text);
    Append(htole32(entry.id), text);
  }
  return text;
}

struct NamedAcl {
  const char* name;
  std::string value;
};

std::vector<NamedAcl> Acls() {
  return {
      {"minimal", Acl({{kUserObj, 6}, {kGroupObj, 4}, {kOther, 0}})},
      {"named-user",
       Acl({{kUserObj, 7}, {kNamedUser, 5, kOtherUser}, {kGroupObj, 4}, {kMask, 7}, {kOther, 1}})},
      {"named-group", Acl({{kUserObj, 6},
                           {kGroupObj, 0},
                           {kNamedGroup, 6, kOtherGroup},
                           {kMask, 6},
                           {kOther, 0}})},
      {"masked",
       Acl({{kUserObj, 7}, {kNamedUser, 7, kOtherUser}, {kGroupObj, 7}, {kMask, 4}, {kOther, 0}})},
      {"nothing-for-anyone",
       Acl({{kUserObj, 0}, {kNamedUser, 0, 5}, {kGroupObj, 0}, {kMask, 0}, {kOther, 0}})},
      {"empty", Acl({})},
      {"without-mask", Acl({{kUserObj, 6}, {kNamedUser, 4, 5}, {kGroupObj, 4}, {kOther, 0}})},
      {"without-owner", Acl({{kGroupObj, 4}, {kOther, 0}})},
      {"wrong-order", Acl({{kOther, 0}, {kGroupObj, 4}, {kUserObj, 6}})},
      {"wrong-version", Acl({{kUserObj, 6}, {kGroupObj, 4}, {kOther, 0}}, 3)},
      {"cut", Acl({{kUserObj, 6}, {kGroupObj, 4}, {kOther, 0}}).substr(0, 25)},
  };
}

struct Target {
  const char* name;
  void (*make)(Script&);
};

constexpr Target kTargets[] = {
    {"file", [](Script& s) { s.MakeFile("it", "content", 02640); }},
    {"directory", [](Script& s) { s.Mkdir("it", 0750); }},
    {"fifo", [](Script& s) { s.Mknod("it", S_IFIFO | 0600); }},
    {"link", [](Script& s) { s.Symlink("nowhere", "it"); }},
};

void AddInheritance(std::vector<Check>& checks) {
  static constexpr struct {
    const char* name;
    uint32_t needs;
    void (*make)(Script&);
  } kMakers[] = {
      {"open", kNothing, [](Script& s) { s.Open("d/it", O_RDWR | O_CREAT, 0666); }},
      {"mkdir", kNothing, [](Script& s) { s.Mkdir("d/it", 0777); }},
      {"mkfifo", kNothing, [](Script& s) { s.Mknod("d/it", S_IFIFO | 0666); }},
      {"mknod-file", kNothing, [](Script& s) { s.Mknod("d/it", S_IFREG | 0624); }},
      {"symlink", kNothing, [](Script& s) { s.Symlink("x", "d/it"); }},
      {"tmpfile", kTmpfile,
       [](Script& s) {
         s.Tmpfile("d", O_RDWR, 0666);
         s.LinkFile(0, "d/it");
       }},
  };
  for (const auto& maker : kMakers) {
    for (const NamedAcl& acl : {Acls()[0], Acls()[1], Acls()[3]}) {
      for (const mode_t mask : {0u, 022u, 077u}) {
        checks.push_back(
            {std::string("acl/inherited/") + maker.name + "/" + acl.name + "/" + Octal(mask),
             kAcl | maker.needs, [maker, acl, mask](Script& s) {
               s.Mkdir("d", 0777);
               s.Chmod("d", 0777);
               s.Setxattr("d", kDefault, acl.value);
               s.As({.uid = kUser, .gid = kGroup, .umask = mask});
               maker.make(s);
               s.As({});
               s.Lstat("d/it");
               s.Getxattr("d/it", kAccess, 65536, Last::kNoFollow);
               s.Getxattr("d/it", kDefault, 65536, Last::kNoFollow);
             }});
      }
    }
  }
}

}  // namespace

void AddAclChecks(std::vector<Check>& checks) {
  for (const char* name : {kAccess, kDefault}) {
    for (const Target& target : kTargets) {
      for (const NamedAcl& acl : Acls()) {
        checks.push_back({std::string("acl/set/") + (name == kAccess ? "access/" : "default/") +
                              target.name + "/" + acl.name,
                          kAcl, [name, target, acl](Script& s) {
                            constexpr Last kIt = Last::kNoFollow;
                            target.make(s);
                            s.Setxattr("it", name, acl.value, 0, kIt);
                            s.Lstat("it");
                            s.Getxattr("it", name, 65536, kIt);
                            s.Getxattr("it", name, 0, kIt);
                            s.Listxattr("it", 65536, kIt);
                            s.Removexattr("it", name, kIt);
                            s.Getxattr("it", name, 65536, kIt);
                            s.Lstat("it");
                          }});
      }
    }
  }
  AddInheritance(checks);
  for (const mode_t mode : {0u, 0777u, 0640u, 0606u}) {
    checks.push_back({"acl/chmod-changes-the-mask/" + Octal(mode), kAcl, [mode](Script& s) {
                        s.MakeFile("f");
                        s.Setxattr("f", kAccess, Acls()[1].value);
                        s.Chmod("f", mode);
                        s.Stat("f");
                        s.Getxattr("f", kAccess);
                      }});
  }
  for (const NamedAcl& acl : {Acls()[1], Acls()[2], Acls()[3], Acls()[4]}) {
    checks.push_back(
        {std::string("acl/decides-about/") + acl.name, kAcl | kKernel, [acl](Script& s) {
           s.MakeFile("f");
           s.Chown("f", kUser, kGroup);
           s.Setxattr("f", kAccess, acl.value);
           for (const Caller& caller :
                {Caller{.uid = kUser, .gid = kGroup}, Caller{.uid = kOtherUser, .gid = kGroup},
                 Caller{.uid = kOtherUser, .gid = kOtherGroup},
                 Caller{.uid = 4321, .gid = kOtherGroup}, Caller{.uid = 4321, .gid = 1}}) {
             s.As(caller);
             s.Open("f", O_RDONLY);
             s.Open("f", O_WRONLY);
             s.Access("f", 1);
             s.Setxattr("f", kAccess, acl.value);
           }
         }});
  }
  checks.push_back(
      {"acl/set-by-an-owner-outside-the-group-takes-set-gid", kAcl | kKernel, [](Script& s) {
         s.MakeFile("f", "", 0755);
         s.Chown("f", kUser, kThirdGroup);
         s.Chmod("f", 02755);
         s.As({.uid = kUser, .gid = kGroup});
         s.Setxattr("f", kAccess, Acls()[1].value);
         s.Stat("f");
       }});
}

}  // namespace postern::conformance
