#include "broker/operations/open_flags.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace postern {
namespace {

constexpr uint32_t kStrange = O_APPEND | O_CREAT | O_EXCL | O_NOCTTY | O_NOFOLLOW | O_TMPFILE |
                              O_PATH | O_ASYNC | 0x80000000u;

int Flags(uint32_t flags, const FilesystemOptions& options = {}) {
  return *FileOpenFlags(flags, options);
}

FilesystemOptions With(bool FilesystemOptions::*flag) {
  FilesystemOptions options;
  options.*flag = true;
  return options;
}

TEST(OpenFlags, PassOnWhatAFilesDataNeeds) {
  EXPECT_EQ(Flags(O_RDWR | O_TRUNC | O_NONBLOCK), O_RDWR | O_TRUNC | O_NONBLOCK);
  EXPECT_EQ(Flags(O_WRONLY | O_SYNC), O_WRONLY | O_SYNC);
  EXPECT_EQ(Flags(O_WRONLY | O_DSYNC), O_WRONLY | O_DSYNC);
}

TEST(OpenFlags, WhatMakesNoSenseIsMasked) {
  EXPECT_EQ(Flags(O_RDWR | kStrange) & ~O_DIRECTORY, O_RDWR);
}

TEST(OpenFlags, AccessModeThreeIsInvalid) {
  EXPECT_EQ(FileOpenFlags(O_ACCMODE, {}).errno_value(), EINVAL);
}

TEST(OpenFlags, NoatimeOnlyIfItIsPreserved) {
  EXPECT_EQ(Flags(O_RDONLY | O_NOATIME), O_RDONLY);
  EXPECT_EQ(Flags(O_RDONLY | O_NOATIME, With(&FilesystemOptions::preserve_noatime)),
            O_RDONLY | O_NOATIME);
}

TEST(OpenFlags, DirectOnlyIfItIsAllowed) {
  EXPECT_EQ(Flags(O_RDWR | O_DIRECT), O_RDWR);
  EXPECT_EQ(Flags(O_RDWR | O_DIRECT, With(&FilesystemOptions::allow_direct_io)), O_RDWR | O_DIRECT);
}

constexpr auto ReadonlyError = [](uint32_t flags) {
  return FileOpenFlags(flags, With(&FilesystemOptions::readonly)).errno_value();
};

TEST(OpenFlags, ReadonlyShareIsOpenedForReading) {
  EXPECT_EQ(Flags(O_RDONLY | O_NONBLOCK, With(&FilesystemOptions::readonly)),
            O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(Flags(O_RDONLY | O_CREAT, With(&FilesystemOptions::readonly)), O_RDONLY);
}

TEST(OpenFlags, ReadonlyShareIsNotOpenedForMore) {
  EXPECT_EQ(ReadonlyError(O_WRONLY), EROFS);
  EXPECT_EQ(ReadonlyError(O_RDWR), EROFS);
  EXPECT_EQ(ReadonlyError(O_ACCMODE), EROFS);
  EXPECT_EQ(ReadonlyError(O_WRONLY | O_TRUNC), EROFS);
  EXPECT_EQ(ReadonlyError(O_RDONLY | O_EXCL), EROFS);
  EXPECT_EQ(ReadonlyError(O_RDONLY | O_TRUNC), EINVAL);
  EXPECT_EQ(ReadonlyError(O_RDONLY | O_TMPFILE), EINVAL);
}

TEST(OpenFlags, PathInAReadonlyShareOpensForReadingWhateverElseItSays) {
  EXPECT_EQ(Flags(O_PATH | O_RDWR | O_TRUNC, With(&FilesystemOptions::readonly)), O_RDONLY);
  EXPECT_EQ(Flags(O_PATH | O_ACCMODE, With(&FilesystemOptions::readonly)), O_RDONLY);
}

}  // namespace
}  // namespace postern
