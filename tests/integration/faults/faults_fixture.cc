#include "tests/integration/faults/faults_fixture.h"

#include <sched.h>
#include <sys/mount.h>

#include <sstream>

namespace postern {

void FaultsFixture::SetUp() {
  ShareFixture::SetUp();
  if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    GTEST_SKIP() << "needs CAP_SYS_ADMIN";
  }
}

void FaultsFixture::TearDown() {
  // Before the daemon is waited for: it may be in a request that is held.
  if (scripted_) scripted_->Release();
  if (daemon_) StopAndCheck();
  scripted_.reset();
  ShareFixture::TearDown();
  for (const std::string& path : mounts_) umount2(path.c_str(), MNT_DETACH);
}

void FaultsFixture::MountTmpfs(std::string_view name, const std::string& data) {
  MakeHostDirectory(name, 0777);
  ASSERT_EQ(mount("tmpfs", Host(name).c_str(), "tmpfs", 0, data.c_str()), 0)
      << Errno::Last().Message();
  mounts_.push_back(Host(name));
}

void FaultsFixture::MountScripted(std::string_view name, ScriptedFilesystem::Files files) {
  MakeHostDirectory(name, 0777);
  ASSERT_OK_AND_ASSIGN(scripted_, ScriptedFilesystem::Mount(Host(name), std::move(files)));
}

void FaultsFixture::ForgetDaemon() {
  if (front_end_) front_end_->Disconnect();
  daemon_.reset();
}

size_t FaultsFixture::LogLines(std::string_view text) const {
  std::istringstream output(daemon_->Output());
  size_t count = 0;
  for (std::string line; std::getline(output, line);) {
    if (line.find(text) != std::string::npos) ++count;
  }
  return count;
}

}  // namespace postern
