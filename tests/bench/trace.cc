#include "tests/bench/trace.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>
#include <linux/fuse.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>

namespace postern::bench {
namespace {

struct OperationRow {
  uint32_t opcode;
  absl::string_view name;
};
constexpr OperationRow kOperations[] = {
    {FUSE_LOOKUP, "lookup"},
    {FUSE_FORGET, "forget"},
    {FUSE_BATCH_FORGET, "batch-forget"},
    {FUSE_GETATTR, "getattr"},
    {FUSE_SETATTR, "setattr"},
    {FUSE_READLINK, "readlink"},
    {FUSE_SYMLINK, "symlink"},
    {FUSE_MKDIR, "mkdir"},
    {FUSE_UNLINK, "unlink"},
    {FUSE_RMDIR, "rmdir"},
    {FUSE_RENAME, "rename"},
    {FUSE_RENAME2, "rename2"},
    {FUSE_LINK, "link"},
    {FUSE_OPEN, "open"},
    {FUSE_READ, "read"},
    {FUSE_WRITE, "write"},
    {FUSE_STATFS, "statfs"},
    {FUSE_RELEASE, "release"},
    {FUSE_FSYNC, "fsync"},
    {FUSE_GETXATTR, "getxattr"},
    {FUSE_FLUSH, "flush"},
    {FUSE_OPENDIR, "opendir"},
    {FUSE_READDIR, "readdir"},
    {FUSE_READDIRPLUS, "readdirplus"},
    {FUSE_RELEASEDIR, "releasedir"},
    {FUSE_ACCESS, "access"},
    {FUSE_CREATE, "create"},
};

bool IsPlain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || absl::string_view("._+-~").find(c) != absl::string_view::npos;
}

std::string Escaped(absl::string_view name) {
  std::string text;
  for (const char c : name) {
    if (IsPlain(c)) {
      text.push_back(c);
    } else {
      absl::StrAppendFormat(&text, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return text;
}

bool Unescape(absl::string_view text, std::string& name) {
  name.clear();
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      name.push_back(text[at]);
      continue;
    }
    uint32_t byte = 0;
    if (!absl::SimpleHexAtoi(text.substr(at + 1, 2), &byte)) return false;
    name.push_back(static_cast<char>(byte));
    at += 2;
  }
  return true;
}

// One word of a line, into the field that it names.
bool TakeWord(absl::string_view word, TraceRequest& request) {
  if (word.size() < 3 || word[1] != '=') return false;
  const absl::string_view value = word.substr(2);
  switch (word[0]) {
    case 'n':
      return absl::SimpleAtoi(value, &request.node);
    case 'h':
      return absl::SimpleAtoi(value, &request.handle);
    case 's':
      return Unescape(value, request.name);
    case 'm':
      return absl::SimpleAtoi(value, &request.other_node);
    case 't':
      return Unescape(value, request.other_name);
    case 'E':
      return absl::SimpleAtoi(value, &request.error);
    case 'N':
      return absl::SimpleAtoi(value, &request.new_node);
    case 'H':
      return absl::SimpleAtoi(value, &request.new_handle);
    case 'S':
      return absl::SimpleAtoi(value, &request.size);
    case 'a':
      for (const absl::string_view item : absl::StrSplit(value, ',')) {
        if (!absl::SimpleAtoi(item, &request.arguments.emplace_back())) return false;
      }
      return true;
    case 'f':
      for (const absl::string_view item : absl::StrSplit(value, ',')) {
        const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(item, '*');
        auto& [node, count] = request.forgotten.emplace_back();
        if (!absl::SimpleAtoi(pair.first, &node) || !absl::SimpleAtoi(pair.second, &count)) {
          return false;
        }
      }
      return true;
    case 'L':
      for (const absl::string_view item : absl::StrSplit(value, ',')) {
        const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(item, '*');
        auto& [name, node] = request.entries.emplace_back();
        if (!Unescape(pair.first, name) || !absl::SimpleAtoi(pair.second, &node)) return false;
      }
      return true;
    default:
      return false;
  }
}

bool ParseLine(absl::string_view line, Trace& trace) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  if (words.empty() || words[0] == "#") return true;
  if (words[0] == "directory" || words[0] == "file") {
    const bool is_directory = words[0] == "directory";
    TraceFile file{.path = {}, .is_directory = is_directory};
    if (words.size() != (is_directory ? 2u : 3u)) return false;
    if (!is_directory && !absl::SimpleAtoi(words[1], &file.size)) return false;
    file.path = std::string(words.back());
    trace.files.push_back(std::move(file));
    return true;
  }
  const auto row = std::ranges::find(kOperations, words[0], &OperationRow::name);
  if (row == std::end(kOperations)) return false;
  TraceRequest request;
  request.opcode = row->opcode;
  for (size_t i = 1; i < words.size(); ++i) {
    if (!TakeWord(words[i], request)) return false;
  }
  trace.requests.push_back(std::move(request));
  return true;
}

// How many numbers an operation has, so that whoever replays it needn't look.
size_t ArgumentCount(uint32_t opcode) {
  switch (opcode) {
    case FUSE_SETATTR:
      return 5;
    case FUSE_CREATE:
      return 3;
    case FUSE_READ:
    case FUSE_WRITE:
    case FUSE_MKDIR:
      return 2;
    case FUSE_OPEN:
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_RENAME2:
    case FUSE_GETXATTR:
    case FUSE_ACCESS:
      return 1;
    default:
      return 0;
  }
}

void Count(const TraceRequest& request, Trace& trace) {
  uint32_t largest = std::max({request.node, request.other_node, request.new_node});
  for (const auto& [name, node] : request.entries) largest = std::max(largest, node);
  for (const auto& [node, count] : request.forgotten) largest = std::max(largest, node);
  trace.nodes = std::max(trace.nodes, largest + 1);
  trace.handles = std::max({trace.handles, request.handle + 1, request.new_handle + 1});
  switch (request.opcode) {
    case FUSE_READ:
    case FUSE_WRITE:
      trace.largest = std::max(trace.largest, request.arguments[1]);
      break;
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_GETXATTR:
      trace.largest = std::max(trace.largest, request.arguments[0]);
      break;
    case FUSE_READLINK:
      trace.largest = std::max<uint64_t>(trace.largest, 4096);
      break;
    default:
      break;
  }
}

}  // namespace

absl::string_view OperationName(uint32_t opcode) {
  const auto row = std::ranges::find(kOperations, opcode, &OperationRow::opcode);
  return row == std::end(kOperations) ? absl::string_view() : row->name;
}

std::string TraceRequest::Text() const {
  std::string text(OperationName(opcode));
  const auto number = [&text](char key, uint64_t value) {
    if (value != 0) absl::StrAppend(&text, " ", std::string(1, key), "=", value);
  };
  const auto separator = [&text](char key, bool first) {
    absl::StrAppend(&text, first ? absl::StrFormat(" %c=", key) : ",");
  };
  number('n', node);
  number('h', handle);
  if (!name.empty()) absl::StrAppend(&text, " s=", Escaped(name));
  number('m', other_node);
  if (!other_name.empty()) absl::StrAppend(&text, " t=", Escaped(other_name));
  for (size_t i = 0; i < arguments.size(); ++i) {
    separator('a', i == 0);
    absl::StrAppend(&text, arguments[i]);
  }
  for (size_t i = 0; i < forgotten.size(); ++i) {
    separator('f', i == 0);
    absl::StrAppend(&text, forgotten[i].first, "*", forgotten[i].second);
  }
  number('E', error);
  number('N', new_node);
  number('H', new_handle);
  number('S', size);
  for (size_t i = 0; i < entries.size(); ++i) {
    separator('L', i == 0);
    absl::StrAppend(&text, Escaped(entries[i].first), "*", entries[i].second);
  }
  return text;
}

absl::StatusOr<Trace> LoadTrace(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError("can't read " + path);
  Trace trace;
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const size_t before = trace.requests.size();
    bool good = ParseLine(line, trace);
    if (good && trace.requests.size() > before) {
      const TraceRequest& request = trace.requests.back();
      good = request.arguments.size() == ArgumentCount(request.opcode);
      if (good) Count(request, trace);
    }
    if (!good) return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": ", line));
  }
  return trace;
}

}  // namespace postern::bench
