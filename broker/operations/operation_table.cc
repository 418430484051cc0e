#include "broker/operations/operation_table.h"

#include <array>
#include <cerrno>
#include <cstddef>

#include "broker/operations/attribute_operations.h"
#include "broker/operations/data_operations.h"
#include "broker/operations/directory_operations.h"
#include "broker/operations/extended_attribute_operations.h"
#include "broker/operations/file_operations.h"
#include "broker/operations/namespace_operations.h"
#include "broker/operations/request_checks.h"

namespace postern {
namespace {

namespace check = request_checks;
using rpc::Request;

// From an accessor of Request, a check and an operation to functions of Request.
template <auto kAccessor, auto kCheck>
const char* CheckRequest(const Request& request) {
  return kCheck((request.*kAccessor)());
}
template <auto kAccessor>
uint64_t NodeOf(const Request& request) {
  const auto& message = (request.*kAccessor)();
  if constexpr (requires { message.parent(); }) {
    return message.parent();
  } else if constexpr (requires { message.node_id(); }) {
    return message.node_id();
  } else if constexpr (requires { message.old_parent(); }) {
    return message.old_parent();
  } else if constexpr (requires { message.from_node_id(); }) {
    return message.from_node_id();
  }
  return 0;
}
uint64_t NoNode(const Request& /*request*/) { return 0; }
template <auto kAccessor, auto kOperation>
ErrnoOrVoid RunRequest(OperationContext& context, const Request& request, rpc::Reply& reply) {
  return kOperation(context, (request.*kAccessor)(), reply);
}

template <auto kAccessor, auto kCheck, auto kOperation>
constexpr OperationRow Row(const char* name, uint32_t flags = 0) {
  return {name, &CheckRequest<kAccessor, kCheck>, &NodeOf<kAccessor>,
          &RunRequest<kAccessor, kOperation>, flags};
}
template <auto kAccessor, typename Message, auto kOperation>
constexpr OperationRow Row(const char* name, uint32_t flags = 0) {
  return Row<kAccessor, &check::Nothing<Message>, kOperation>(name, flags);
}
constexpr OperationRow SessionRow(const char* name) {
  return {name, &check::Nothing<Request>, &NoNode, nullptr, kChangesSession};
}

// The compiler wants every operation of the .proto here (-Wswitch), and none twice.
constexpr OperationRow RowOf(Request::OperationCase operation) {
  using namespace rpc;         // NOLINT: the messages' names, in this table only.
  using namespace operations;  // NOLINT
  switch (operation) {
    // clang-format off
    case Request::kInitialize:       return SessionRow("initialize");
    case Request::kReset:            return SessionRow("reset");
    case Request::kLookup:           return Row<&Request::lookup, LookupRequest, &Lookup>("lookup");
    case Request::kForget:           return Row<&Request::forget, &check::Forget, &Forget>("forget", kNoReply);
    case Request::kGetAttributes:    return Row<&Request::get_attributes, GetAttributesRequest, &GetAttributes>("get_attributes");
    case Request::kSetAttributes:    return Row<&Request::set_attributes, &check::SetAttributes, &SetAttributes>("set_attributes", kChangesShare);
    case Request::kReadLink:         return Row<&Request::read_link, ReadLinkRequest, &ReadLink>("read_link");
    case Request::kSymlink:          return Row<&Request::symlink, &check::Symlink, &Symlink>("symlink", kChangesShare);
    case Request::kMakeNode:         return Row<&Request::make_node, &check::MakeNode, &MakeNode>("make_node", kChangesShare);
    case Request::kMakeDirectory:    return Row<&Request::make_directory, &check::MakeDirectory, &MakeDirectory>("make_directory", kChangesShare);
    case Request::kUnlink:           return Row<&Request::unlink, UnlinkRequest, &Unlink>("unlink", kChangesShare);
    case Request::kRemoveDirectory:  return Row<&Request::remove_directory, RemoveDirectoryRequest, &RemoveDirectory>("remove_directory", kChangesShare);
    case Request::kRename:           return Row<&Request::rename, RenameRequest, &Rename>("rename", kChangesShare);
    case Request::kLink:             return Row<&Request::link, LinkRequest, &Link>("link", kChangesShare);
    case Request::kOpen:             return Row<&Request::open, OpenRequest, &Open>("open", kAnswersDescriptor);
    case Request::kCreate:           return Row<&Request::create, &check::Create, &Create>("create", kAnswersDescriptor);
    case Request::kRelease:          return Row<&Request::release, ReleaseRequest, &Release>("release");
    case Request::kOpenDirectory:    return Row<&Request::open_directory, OpenDirectoryRequest, &OpenDirectory>("open_directory");
    case Request::kReadDirectory:    return Row<&Request::read_directory, ReadDirectoryRequest, &ReadDirectory>("read_directory");
    case Request::kReleaseDirectory: return Row<&Request::release_directory, ReleaseDirectoryRequest, &ReleaseDirectory>("release_directory");
    case Request::kSyncDirectory:    return Row<&Request::sync_directory, SyncDirectoryRequest, &SyncDirectory>("sync_directory", kMayBeSlow);
    case Request::kStatFilesystem:   return Row<&Request::stat_filesystem, StatFilesystemRequest, &StatFilesystem>("stat_filesystem");
    case Request::kAccess:           return Row<&Request::access, &check::Access, &Access>("access");
    case Request::kSyncFilesystem:   return Row<&Request::sync_filesystem, SyncFilesystemRequest, &SyncFilesystem>("sync_filesystem", kMayBeSlow);
    case Request::kGetExtendedAttribute: return Row<&Request::get_extended_attribute, &check::GetExtendedAttribute, &GetExtendedAttribute>("get_extended_attribute");
    case Request::kSetExtendedAttribute: return Row<&Request::set_extended_attribute, &check::SetExtendedAttribute, &SetExtendedAttribute>("set_extended_attribute", kChangesShare);
    case Request::kListExtendedAttributes: return Row<&Request::list_extended_attributes, &check::ListExtendedAttributes, &ListExtendedAttributes>("list_extended_attributes");
    case Request::kRemoveExtendedAttribute: return Row<&Request::remove_extended_attribute, &check::RemoveExtendedAttribute, &RemoveExtendedAttribute>("remove_extended_attribute", kChangesShare);
    case Request::kCreateTemporaryFile: return Row<&Request::create_temporary_file, &check::CreateTemporaryFile, &CreateTemporaryFile>("create_temporary_file", kAnswersDescriptor | kChangesShare);
    case Request::kWriteFile: return Row<&Request::write_file, &check::WriteFile, &WriteFile>("write_file", kMayBeSlow | kChangesShare);
    case Request::kAllocate: return Row<&Request::allocate, AllocateRequest, &Allocate>("allocate", kMayBeSlow | kChangesShare);
    case Request::kCopyRange: return Row<&Request::copy_range, &check::CopyRange, &CopyRange>("copy_range", kMayBeSlow | kChangesShare);
    case Request::OPERATION_NOT_SET: return {};
      // clang-format on
  }
  return {};
}

constexpr size_t kRows = Request::kCopyRange + 1;

constexpr std::array<OperationRow, kRows> kOperations = [] {
  std::array<OperationRow, kRows> rows{};
  for (size_t i = 0; i < kRows; ++i) rows[i] = RowOf(static_cast<Request::OperationCase>(i));
  return rows;
}();

#ifndef POSTERN_SANITIZED  // With -fsanitize=undefined no function's address is a constant to g++.
constexpr bool EachRowIsComplete() {
  // 0 is unset, and 1 is the field `id`.
  for (size_t i = Request::kInitialize; i < kRows; ++i) {
    const OperationRow& row = kOperations[i];
    const bool session = (row.flags & kChangesSession) != 0;
    if (row.name == nullptr || row.check == nullptr || (row.run == nullptr) != session) {
      return false;
    }
  }
  return true;
}
static_assert(EachRowIsComplete());
#endif
// If kRows is too small for an operation that was added, its row is never reached.
static_assert(RowOf(static_cast<Request::OperationCase>(kRows)).name == nullptr,
              "operations after `copy_range`: raise kRows");

}  // namespace

ErrnoOrVoid RunOperation(const OperationRow& row, OperationContext& context,
                         const rpc::Request& request, rpc::Reply& reply) {
  if ((row.flags & kChangesShare) != 0 && context.filesystem.options().readonly) {
    return Errno(EROFS);
  }
  return row.run(context, request, reply);
}

const OperationRow* FindOperation(Request::OperationCase operation) {
  const auto index = static_cast<size_t>(operation);
  if (index >= kRows || kOperations[index].name == nullptr) return nullptr;
  return &kOperations[index];
}

}  // namespace postern
