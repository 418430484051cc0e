#include "broker/operations/operation_table.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace postern {
namespace {

// The operations of rpc.proto's Request, number to name.
std::map<int, std::string> DefinedOperations() {
  std::ifstream file(POSTERN_RPC_PROTO);
  std::map<int, std::string> operations;
  std::string line;
  bool inside = false;
  const std::regex field(R"(^\s*\w+ (\w+) = (\d+);.*)");
  while (std::getline(file, line)) {
    if (line.find("oneof operation") != std::string::npos) inside = true;
    if (inside && line.find('}') != std::string::npos) break;
    std::smatch match;
    if (inside && std::regex_match(line, match, field)) {
      operations[std::stoi(match[2])] = match[1];
    }
  }
  return operations;
}

TEST(OperationTable, HasARowForEachOperationOfTheProtoByItsName) {
  const auto operations = DefinedOperations();
  ASSERT_GE(operations.size(), 24u);
  for (const auto& [number, name] : operations) {
    const OperationRow* row = FindOperation(static_cast<rpc::Request::OperationCase>(number));
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(row->name, name);
  }
}

TEST(OperationTable, HasNoRowForWhatTheProtoDoesNotDefine) {
  const auto operations = DefinedOperations();
  // As far as the enumeration's type goes: six bits, by its largest enumerator.
  for (int number = 0; number < 64; ++number) {
    if (operations.count(number) != 0) continue;
    EXPECT_EQ(FindOperation(static_cast<rpc::Request::OperationCase>(number)), nullptr) << number;
  }
}

TEST(OperationTable, OnlyForgetHasNoReplyAndOnlyOpeningOnesBringDescriptors) {
  for (const auto& [number, name] : DefinedOperations()) {
    const OperationRow* row = FindOperation(static_cast<rpc::Request::OperationCase>(number));
    EXPECT_EQ((row->flags & kNoReply) != 0, name == "forget") << name;
    const bool opens = name == "open" || name == "create" || name == "create_temporary_file";
    EXPECT_EQ((row->flags & kAnswersDescriptor) != 0, opens) << name;
    EXPECT_EQ((row->flags & kChangesSession) != 0, name == "initialize" || name == "reset") << name;
  }
}

TEST(OperationTable, WhatChangesTheShareIsMarked) {
  const std::set<std::string> changing = {"set_attributes",
                                          "symlink",
                                          "make_node",
                                          "make_directory",
                                          "unlink",
                                          "remove_directory",
                                          "rename",
                                          "link",
                                          "set_extended_attribute",
                                          "remove_extended_attribute",
                                          "create_temporary_file",
                                          "write_file",
                                          "allocate",
                                          "copy_range"};
  for (const auto& [number, name] : DefinedOperations()) {
    const OperationRow* row = FindOperation(static_cast<rpc::Request::OperationCase>(number));
    EXPECT_EQ((row->flags & kChangesShare) != 0, changing.count(name) != 0) << name;
  }
}

}  // namespace
}  // namespace postern
