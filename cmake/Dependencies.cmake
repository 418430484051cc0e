# Everything comes from the distribution; PACKAGES lists the Debian names.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
# The config packages of protobuf and glog differ between distributions; the module and pkg-config ones don't.
find_package(Protobuf REQUIRED)
pkg_check_modules(LIBCAP_NG REQUIRED IMPORTED_TARGET libcap-ng)
pkg_check_modules(LIBSECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(LIBSELINUX REQUIRED IMPORTED_TARGET libselinux)
pkg_check_modules(GLOG REQUIRED IMPORTED_TARGET libglog)
