#include "broker/operations/request_checks.h"

#include <gtest/gtest.h>

#include <string>

namespace postern {
namespace {

namespace check = request_checks;

template <typename Request>
Request WithCredentials(int groups = 0) {
  Request request;
  request.mutable_credentials()->set_uid(1);
  for (int i = 0; i < groups; ++i) request.mutable_credentials()->add_supplementary_gids(7);
  return request;
}

rpc::ForgetRequest ForgetOf(int items) {
  rpc::ForgetRequest request;
  for (int i = 0; i < items; ++i) request.add_items();
  return request;
}

TEST(RequestChecks, ForgetTakesOneToMaxItems) {
  EXPECT_NE(check::Forget(ForgetOf(0)), nullptr);
  EXPECT_EQ(check::Forget(ForgetOf(1)), nullptr);
  EXPECT_EQ(check::Forget(ForgetOf(4096)), nullptr);
  EXPECT_NE(check::Forget(ForgetOf(4097)), nullptr);
}

TEST(RequestChecks, AtMost1024SupplementaryGroups) {
  EXPECT_EQ(check::MakeDirectory(WithCredentials<rpc::MakeDirectoryRequest>(1024)), nullptr);
  EXPECT_NE(check::MakeDirectory(WithCredentials<rpc::MakeDirectoryRequest>(1025)), nullptr);
  EXPECT_NE(check::MakeNode(WithCredentials<rpc::MakeNodeRequest>(1025)), nullptr);
  EXPECT_NE(check::Create(WithCredentials<rpc::CreateRequest>(1025)), nullptr);
  EXPECT_NE(check::CreateTemporaryFile(WithCredentials<rpc::CreateTemporaryFileRequest>(1025)),
            nullptr);
  EXPECT_NE(check::Access(WithCredentials<rpc::AccessRequest>(1025)), nullptr);
}

TEST(RequestChecks, MissingCredentialsAreNotTakenForRoots) {
  EXPECT_NE(check::MakeDirectory(rpc::MakeDirectoryRequest()), nullptr);
  EXPECT_NE(check::MakeNode(rpc::MakeNodeRequest()), nullptr);
  EXPECT_NE(check::Create(rpc::CreateRequest()), nullptr);
  EXPECT_NE(check::CreateTemporaryFile(rpc::CreateTemporaryFileRequest()), nullptr);
  EXPECT_NE(check::Access(rpc::AccessRequest()), nullptr);
  rpc::SymlinkRequest symlink;
  symlink.set_target("x");
  EXPECT_NE(check::Symlink(symlink), nullptr);
}

TEST(RequestChecks, SymlinkTargetIsOneTo4095BytesWithoutNul) {
  auto request = WithCredentials<rpc::SymlinkRequest>();
  EXPECT_NE(check::Symlink(request), nullptr);
  request.set_target("x");
  EXPECT_EQ(check::Symlink(request), nullptr);
  request.set_target(std::string(4095, 'x'));
  EXPECT_EQ(check::Symlink(request), nullptr);
  request.set_target(std::string(4096, 'x'));
  EXPECT_NE(check::Symlink(request), nullptr);
  request.set_target(std::string("a\0b", 3));
  EXPECT_NE(check::Symlink(request), nullptr);
}

TEST(RequestChecks, ModeIsPermissionsOnly) {
  rpc::SetAttributesRequest request;
  request.set_mode(07777);
  EXPECT_EQ(check::SetAttributes(request), nullptr);
  request.set_mode(010000);
  EXPECT_NE(check::SetAttributes(request), nullptr);
}

TEST(RequestChecks, TimeHasAValue) {
  rpc::SetAttributesRequest request;
  request.mutable_atime();
  EXPECT_NE(check::SetAttributes(request), nullptr);
  request.mutable_atime()->set_now(true);
  EXPECT_EQ(check::SetAttributes(request), nullptr);
  request.mutable_mtime();
  EXPECT_NE(check::SetAttributes(request), nullptr);
}

TEST(RequestChecks, NanosecondsAreLessThanASecond) {
  rpc::SetAttributesRequest request;
  request.mutable_mtime()->mutable_at()->set_nanoseconds(999'999'999);
  EXPECT_EQ(check::SetAttributes(request), nullptr);
  request.mutable_mtime()->mutable_at()->set_nanoseconds(1'000'000'000);
  EXPECT_NE(check::SetAttributes(request), nullptr);
  request.mutable_mtime()->mutable_at()->set_nanoseconds((1u << 30) - 1);  // UTIME_NOW
  EXPECT_NE(check::SetAttributes(request), nullptr);
}

template <typename Request>
void ExpectUmaskChecked(const char* (*checks)(const Request&)) {
  Request request = WithCredentials<Request>();
  request.set_umask(0777);
  EXPECT_EQ(checks(request), nullptr);
  request.set_umask(01000);
  EXPECT_NE(checks(request), nullptr);
}

TEST(RequestChecks, UmaskIsPermissionsOnly) {
  ExpectUmaskChecked(&check::MakeNode);
  ExpectUmaskChecked(&check::MakeDirectory);
  ExpectUmaskChecked(&check::Create);
  ExpectUmaskChecked(&check::CreateTemporaryFile);
}

template <typename Request>
void ExpectSecurityContextChecked(const char* (*checks)(const Request&), Request request) {
  rpc::SecurityContext& context = *request.mutable_security_context();
  context.set_name("x");
  EXPECT_NE(checks(request), nullptr) << "no value";
  context.set_value(std::string(65536, 'x'));
  EXPECT_EQ(checks(request), nullptr);
  context.set_value(std::string(65537, 'x'));
  EXPECT_NE(checks(request), nullptr);
  context.set_value("x");
  context.set_name("");
  EXPECT_NE(checks(request), nullptr);
  context.set_name(std::string(256, 'x'));
  EXPECT_NE(checks(request), nullptr);
  context.set_name(std::string("a\0b", 3));
  EXPECT_NE(checks(request), nullptr);
}

TEST(RequestChecks, SecurityContextHasANameAndAValueInTheirBounds) {
  ExpectSecurityContextChecked(&check::MakeNode, WithCredentials<rpc::MakeNodeRequest>());
  ExpectSecurityContextChecked(&check::MakeDirectory, WithCredentials<rpc::MakeDirectoryRequest>());
  ExpectSecurityContextChecked(&check::Create, WithCredentials<rpc::CreateRequest>());
  ExpectSecurityContextChecked(&check::CreateTemporaryFile,
                               WithCredentials<rpc::CreateTemporaryFileRequest>());
  auto symlink = WithCredentials<rpc::SymlinkRequest>();
  symlink.set_target("x");
  ExpectSecurityContextChecked(&check::Symlink, symlink);
}

TEST(RequestChecks, WriteIsOneTo65536Bytes) {
  rpc::WriteFileRequest request;
  EXPECT_NE(check::WriteFile(request), nullptr);
  request.set_data("x");
  EXPECT_EQ(check::WriteFile(request), nullptr);
  request.set_data(std::string(65536, 'x'));
  EXPECT_EQ(check::WriteFile(request), nullptr);
  request.set_data(std::string(65537, 'x'));
  EXPECT_NE(check::WriteFile(request), nullptr);
}

TEST(RequestChecks, CopyIsAtMost64Mebibytes) {
  rpc::CopyRangeRequest request;
  request.set_length(64 << 20);
  EXPECT_EQ(check::CopyRange(request), nullptr);
  request.set_length((64 << 20) + 1);
  EXPECT_NE(check::CopyRange(request), nullptr);
}

template <typename Request>
const char* CheckName(const char* (*checks)(const Request&), const std::string& name) {
  Request request;
  request.set_name(name);
  return checks(request);
}
template <typename Request>
void ExpectNameChecked(const char* (*checks)(const Request&)) {
  EXPECT_NE(CheckName(checks, ""), nullptr);
  EXPECT_EQ(CheckName(checks, "x"), nullptr);
  EXPECT_EQ(CheckName(checks, std::string(255, 'x')), nullptr);
  EXPECT_NE(CheckName(checks, std::string(256, 'x')), nullptr);
  EXPECT_NE(CheckName(checks, std::string("a\0b", 3)), nullptr);
}

TEST(RequestChecks, ExtendedAttributesNameIsOneTo255BytesWithoutNul) {
  ExpectNameChecked(&check::GetExtendedAttribute);
  ExpectNameChecked(&check::SetExtendedAttribute);
  ExpectNameChecked(&check::RemoveExtendedAttribute);
}

TEST(RequestChecks, ExtendedAttributesSizeIsAtMost65536) {
  rpc::GetExtendedAttributeRequest get;
  get.set_name("x");
  get.set_size(65536);
  EXPECT_EQ(check::GetExtendedAttribute(get), nullptr);
  get.set_size(65537);
  EXPECT_NE(check::GetExtendedAttribute(get), nullptr);
  rpc::ListExtendedAttributesRequest list;
  list.set_size(65536);
  EXPECT_EQ(check::ListExtendedAttributes(list), nullptr);
  list.set_size(65537);
  EXPECT_NE(check::ListExtendedAttributes(list), nullptr);
  rpc::SetExtendedAttributeRequest set;
  set.set_name("x");
  EXPECT_EQ(check::SetExtendedAttribute(set), nullptr);
  set.set_value(std::string(65536, 'x'));
  EXPECT_EQ(check::SetExtendedAttribute(set), nullptr);
  set.set_value(std::string(65537, 'x'));
  EXPECT_NE(check::SetExtendedAttribute(set), nullptr);
}

}  // namespace
}  // namespace postern
