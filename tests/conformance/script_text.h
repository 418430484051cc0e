// How things stand in a script's lines.
#ifndef POSTERN_TESTS_CONFORMANCE_SCRIPT_TEXT_H_
#define POSTERN_TESTS_CONFORMANCE_SCRIPT_TEXT_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace postern::conformance {

// Bytes that differ from place to place and from seed to seed.
std::string Pattern(size_t size, uint64_t seed);

std::string ErrnoName(int error);
std::string Hash(std::string_view data);
// A path or a name: printable, short.
std::string Shown(std::string_view text);
// What a file or a value holds: the same, or its length and hash.
std::string Data(const std::string& data);
std::string Octal(mode_t mode);
std::string TypeName(mode_t mode);
std::string StatText(const struct stat& s);
std::string TimeText(const timespec& time);
// A uid or gid; "-" for the one that changes nothing.
std::string Id(uint32_t id);
std::string FlagText(int flags);  // Of open(2).

}  // namespace postern::conformance

#endif  // POSTERN_TESTS_CONFORMANCE_SCRIPT_TEXT_H_
