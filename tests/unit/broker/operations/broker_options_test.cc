#include "broker/operations/broker_options.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using config::BrokerConfig;

TEST(BrokerOptions, NothingIsOnByItself) {
  const FilesystemOptions options = *FilesystemOptionsFrom(BrokerConfig());
  EXPECT_FALSE(options.xattr || options.posix_acl || options.security_label || options.readonly ||
               options.preserve_noatime || options.allow_direct_io);
  EXPECT_EQ(options.ids.ToHost(GuestUid(5))->value(), 5u);
}

TEST(BrokerOptions, EachFlagIsItsOwn) {
  BrokerConfig config;
  config.set_readonly(true);
  EXPECT_TRUE(FilesystemOptionsFrom(config)->readonly);
  EXPECT_FALSE(FilesystemOptionsFrom(config)->preserve_noatime);
  config.Clear();
  config.set_preserve_noatime(true);
  EXPECT_TRUE(FilesystemOptionsFrom(config)->preserve_noatime);
  EXPECT_FALSE(FilesystemOptionsFrom(config)->allow_direct_io);
  config.Clear();
  config.set_allow_direct_io(true);
  EXPECT_TRUE(FilesystemOptionsFrom(config)->allow_direct_io);
  EXPECT_FALSE(FilesystemOptionsFrom(config)->xattr);
}

TEST(BrokerOptions, WhatNeedsExtendedAttributesBringsThem) {
  BrokerConfig config;
  config.set_posix_acl(true);
  EXPECT_TRUE(FilesystemOptionsFrom(config)->xattr);
  EXPECT_TRUE(FilesystemOptionsFrom(config)->posix_acl);
  config.Clear();
  config.set_security_label(true);
  EXPECT_TRUE(FilesystemOptionsFrom(config)->xattr);
  EXPECT_FALSE(FilesystemOptionsFrom(config)->posix_acl);
}

TEST(BrokerOptions, BrokenMapsAreRefused) {
  BrokerConfig config;
  config.add_xattr_map()->set_type(config::XattrRule::TYPE_OK);
  EXPECT_FALSE(FilesystemOptionsFrom(config).ok());
  config.Clear();
  config.mutable_gid_translation()->add_to_host();
  EXPECT_FALSE(FilesystemOptionsFrom(config).ok());
}

TEST(BrokerOptions, AclsDoNotGoWithTranslatedIds) {
  BrokerConfig config;
  config::IdRule& rule = *config.mutable_gid_translation()->add_to_guest();
  rule.set_kind(config::IdRule::KIND_SHIFT);
  rule.set_count(1);
  EXPECT_TRUE(FilesystemOptionsFrom(config).ok());
  config.set_posix_acl(true);
  EXPECT_FALSE(FilesystemOptionsFrom(config).ok());
}

}  // namespace
}  // namespace postern
