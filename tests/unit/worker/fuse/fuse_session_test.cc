#include "worker/fuse/fuse_session.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/worker/fuse_bytes.h"

namespace postern {
namespace {

const FuseOptions kDefaults;

TEST(FuseNegotiationTest, Version6IsTooOld) {
  EXPECT_EQ(NegotiateFuse(InitStruct(6, 99), kDefaults).errno_value(), EPROTO);
}

TEST(FuseNegotiationTest, Version7_26IsTooOld) {
  EXPECT_EQ(NegotiateFuse(InitStruct(7, 26), kDefaults).errno_value(), EPROTO);
}

TEST(FuseNegotiationTest, Version7_27IsTheOldestServed) {
  EXPECT_TRUE(NegotiateFuse(InitStruct(7, 27), kDefaults).ok());
}

TEST(FuseNegotiationTest, OurVersionIsNamedToAnOlderGuest) {
  const auto negotiation = NegotiateFuse(InitStruct(7, 31), kDefaults);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->reply.major, 7u);
  EXPECT_EQ(negotiation->reply.minor, 38u);
}

TEST(FuseNegotiationTest, OurVersionIsNamedToANewerGuest) {
  const auto negotiation = NegotiateFuse(InitStruct(7, 99), kDefaults);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->reply.major, 7u);
  EXPECT_EQ(negotiation->reply.minor, 38u);
  EXPECT_EQ(negotiation->reply.max_write, 1048576u);
}

TEST(FuseNegotiationTest, Version8IsToldOursAndNothingIsEnabled) {
  const auto negotiation = NegotiateFuse(InitStruct(8, 0, UINT32_MAX, UINT32_MAX), kDefaults);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->reply.major, 7u);
  EXPECT_EQ(negotiation->reply.minor, 38u);
  EXPECT_EQ(negotiation->flags, 0u);
  EXPECT_EQ(negotiation->reply.flags, 0u);
}

TEST(FuseNegotiationTest, LimitsAreVirtiofsds) {
  const auto negotiation = NegotiateFuse(InitStruct(7, 38, FUSE_MAX_PAGES), kDefaults);
  ASSERT_TRUE(negotiation.ok());
  const fuse_init_out& reply = negotiation->reply;
  EXPECT_EQ(reply.max_readahead, 0x20000u);
  EXPECT_EQ(reply.max_background, 65535);
  EXPECT_EQ(reply.congestion_threshold, 49149);
  EXPECT_EQ(reply.max_write, 1048576u);
  EXPECT_EQ(reply.time_gran, 1u);
  EXPECT_EQ(reply.max_pages, 256);
  EXPECT_EQ(reply.map_alignment, 0);
}

TEST(FuseNegotiationTest, EverythingOfferedEnablesExactlyWhatIsWanted) {
  const auto negotiation = NegotiateFuse(InitStruct(7, 38, UINT32_MAX, UINT32_MAX), kDefaults);
  ASSERT_TRUE(negotiation.ok());
  // ASYNC_READ 0, ATOMIC_O_TRUNC 3, BIG_WRITES 5, HAS_IOCTL_DIR 11, AUTO_INVAL_DATA 12,
  // DO_READDIRPLUS 13, READDIRPLUS_AUTO 14, ASYNC_DIO 15, PARALLEL_DIROPS 18, MAX_PAGES 22,
  // SUBMOUNTS 27, INIT_EXT 30.
  EXPECT_EQ(negotiation->reply.flags, 0x4844'f829u);
  // CREATE_SUPP_GROUP 34, ALLOW_IDMAP 40.
  EXPECT_EQ(negotiation->reply.flags2, 0x104u);
  EXPECT_EQ(negotiation->flags, 0x104'4844'f829u);
}

TEST(FuseNegotiationTest, NothingOfferedEnablesNothing) {
  const auto negotiation = NegotiateFuse(InitStruct(7, 38), kDefaults);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->flags, 0u);
  EXPECT_EQ(negotiation->reply.flags, 0u);
  EXPECT_EQ(negotiation->reply.flags2, 0u);
}

TEST(FuseNegotiationTest, SecondWordIsIgnoredWithoutInitExt) {
  const auto negotiation = NegotiateFuse(InitStruct(7, 38, FUSE_ASYNC_READ, UINT32_MAX), kDefaults);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->flags, uint64_t{FUSE_ASYNC_READ});
  EXPECT_EQ(negotiation->reply.flags2, 0u);
  EXPECT_FALSE(negotiation->enabled(kFuseCreateSuppGroup));
}

TEST(FuseNegotiationTest, SecondWordCountsWithInitExt) {
  const auto negotiation = NegotiateFuse(InitStruct(7, 38, FUSE_INIT_EXT, 1u << 2), kDefaults);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_TRUE(negotiation->enabled(kFuseCreateSuppGroup));
  EXPECT_EQ(negotiation->reply.flags, uint32_t{FUSE_INIT_EXT});
  EXPECT_EQ(negotiation->reply.flags2, 4u);
}

TEST(FuseNegotiationTest, ReaddirplusIsOffWhenTheCachePolicySaysSo) {
  FuseOptions options;
  options.cache.readdirplus = false;
  const auto negotiation =
      NegotiateFuse(InitStruct(7, 38, FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO), options);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->flags, 0u);
}

// ---- options ----

struct OptionExpectation {
  std::string name;
  void (*set)(FuseOptions&);
  uint64_t flags;  // Enabled besides the default ones if all are offered.
};

class OptionFlagsTest : public testing::TestWithParam<OptionExpectation> {};

constexpr uint64_t kDefaultFlags = 0x104'4844'f829;

TEST_P(OptionFlagsTest, AreEnabledIfTheGuestOffersAll) {
  FuseOptions options;
  GetParam().set(options);
  const auto negotiation = NegotiateFuse(InitStruct(7, 45, UINT32_MAX, UINT32_MAX), options);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->flags, kDefaultFlags | GetParam().flags);
  EXPECT_EQ(negotiation->reply.flags | uint64_t{negotiation->reply.flags2} << 32,
            negotiation->flags);
}

INSTANTIATE_TEST_SUITE_P(
    All, OptionFlagsTest,
    testing::Values(
        // DONT_MASK, POSIX_ACL, SETXATTR_EXT.
        OptionExpectation{"PosixAcl", [](FuseOptions& options) { options.posix_acl = true; },
                          1u << 6 | 1u << 20 | 1u << 29},
        OptionExpectation{"SecurityLabel",
                          [](FuseOptions& options) { options.security_label = true; },
                          uint64_t{1} << 32},
        OptionExpectation{"Writeback", [](FuseOptions& options) { options.writeback = true; },
                          1u << 16},
        OptionExpectation{"KillprivV2", [](FuseOptions& options) { options.killpriv_v2 = true; },
                          1u << 28},
        OptionExpectation{"AllowMmap", [](FuseOptions& options) { options.allow_mmap = true; },
                          uint64_t{1} << 36},
        // Known to the guest from INIT on, or never; no flag says so.
        OptionExpectation{"Xattr", [](FuseOptions& options) { options.xattr = true; }, 0},
        OptionExpectation{"Readonly", [](FuseOptions& options) { options.readonly = true; }, 0},
        OptionExpectation{"NoAnnounceSubmounts",
                          [](FuseOptions& options) { options.announce_submounts = false; }, 0}),
    [](const auto& instance) { return instance.param.name; });

// What an option can't do without.
class PosixAclOfferTest : public testing::TestWithParam<uint32_t> {};

TEST_P(PosixAclOfferTest, WithoutOneOfItsThreeFlagsIsEproto) {
  FuseOptions options;
  options.posix_acl = true;
  EXPECT_EQ(NegotiateFuse(InitStruct(7, 38, ~GetParam(), UINT32_MAX), options).errno_value(),
            EPROTO);
}

INSTANTIATE_TEST_SUITE_P(All, PosixAclOfferTest, testing::Values(1u << 6, 1u << 20, 1u << 29));

TEST(FuseNegotiationTest, SecurityLabelsThatTheGuestDoesNotKnowAreEproto) {
  FuseOptions options;
  options.security_label = true;
  EXPECT_EQ(NegotiateFuse(InitStruct(7, 38, UINT32_MAX, ~1u), options).errno_value(), EPROTO);
  // Nor does it if there is no second word.
  EXPECT_EQ(
      NegotiateFuse(InitStruct(7, 38, ~uint32_t{FUSE_INIT_EXT}, UINT32_MAX), options).errno_value(),
      EPROTO);
}

TEST(FuseNegotiationTest, WhatMayLackIsLeftOutWhole) {
  FuseOptions options;
  options.posix_acl = options.posix_acl_auto = true;
  options.security_label = options.security_label_auto = true;
  const auto with = NegotiateFuse(InitStruct(7, 38, UINT32_MAX, UINT32_MAX), options);
  ASSERT_TRUE(with.ok());
  EXPECT_TRUE(with->enabled(FUSE_POSIX_ACL));
  EXPECT_TRUE(with->enabled(FUSE_SECURITY_CTX));
  const auto without = NegotiateFuse(InitStruct(7, 38, ~uint32_t{FUSE_SETXATTR_EXT}, ~1u), options);
  ASSERT_TRUE(without.ok());
  EXPECT_FALSE(without->enabled(FUSE_POSIX_ACL | FUSE_DONT_MASK)) << "half of the ACLs";
  EXPECT_FALSE(without->enabled(FUSE_SECURITY_CTX));
}

TEST(FuseNegotiationTest, WhoCannotChooseReaddirplusHasItWhateverTheOptionsSay) {
  FuseOptions options;
  options.cache.readdirplus = false;
  constexpr uint32_t kPlus = FUSE_DO_READDIRPLUS;
  constexpr uint32_t kChooses = FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
  EXPECT_EQ(NegotiateFuse(InitStruct(7, 31, kPlus), options)->flags, kPlus);
  EXPECT_EQ(NegotiateFuse(InitStruct(7, 31, kChooses), options)->flags, 0u);
  options.cache.readdirplus = true;
  EXPECT_EQ(NegotiateFuse(InitStruct(7, 31, kPlus), options)->flags, kPlus);
  EXPECT_EQ(NegotiateFuse(InitStruct(7, 31, kChooses), options)->flags, kChooses);
}

TEST(FuseNegotiationTest, Version8IsNotJudgedByItsFlags) {
  FuseOptions options;
  options.posix_acl = options.security_label = true;
  EXPECT_TRUE(NegotiateFuse(InitStruct(8, 0), options).ok());
}

TEST(FuseNegotiationTest, WhatTheGuestDoesNotKnowOfTheRestIsLeftOut) {
  FuseOptions options;
  options.killpriv_v2 = options.writeback = options.allow_mmap = true;
  const auto negotiation = NegotiateFuse(InitStruct(7, 31, FUSE_ASYNC_READ), options);
  ASSERT_TRUE(negotiation.ok());
  EXPECT_EQ(negotiation->flags, uint64_t{FUSE_ASYNC_READ});
}

TEST(FuseSessionTest, IsInactiveUntilItBeginsAndAfterItEnds) {
  FuseSession session;
  EXPECT_FALSE(session.active());
  EXPECT_FALSE(session.enabled(FUSE_ASYNC_READ));
  session.Begin(FUSE_ASYNC_READ);
  EXPECT_TRUE(session.active());
  EXPECT_TRUE(session.enabled(FUSE_ASYNC_READ));
  EXPECT_FALSE(session.enabled(FUSE_BIG_WRITES));
  session.End();
  EXPECT_FALSE(session.active());
}

TEST(FuseSessionTest, ASecondBeginReplacesTheFlags) {
  FuseSession session;
  session.Begin(FUSE_ASYNC_READ);
  session.Begin(FUSE_BIG_WRITES);
  EXPECT_FALSE(session.enabled(FUSE_ASYNC_READ));
  EXPECT_TRUE(session.enabled(FUSE_BIG_WRITES));
}

}  // namespace
}  // namespace postern
