# Debian packages, by `cpack`: one component is one package. What stands here are the facts of the packages; their files
# come from the install rules, and stage.cmake adds what Debian wants beside those.
set(POSTERN_MAINTAINER "postern's maintainers <maintainers@postern.example>" CACHE STRING
    "Who answers for the packages: name and address, as Debian writes them")

set(package_files "${CMAKE_CURRENT_LIST_DIR}")

# A package fits the release that it was built on: abseil's library has another name in each.
set(os_release "")
if(EXISTS /etc/os-release)
  file(READ /etc/os-release os_release)
endif()
if(os_release MATCHES "(^|\n)VERSION_ID=\"?([0-9.]+)")
  set(package_release "1~deb${CMAKE_MATCH_2}")
else()
  set(package_release "1")
endif()

set(CPACK_PACKAGE_NAME postern)
set(CPACK_PACKAGE_VENDOR postern)
set(CPACK_PACKAGE_DIRECTORY "${CMAKE_SOURCE_DIR}/build/packages")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # Each package has its own.
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_ALL postern virtiofsd)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_PROJECT_CONFIG_FILE "${package_files}/check.cmake")
set(CPACK_PRE_BUILD_SCRIPTS "${package_files}/stage.cmake")
set(CPACK_POST_BUILD_SCRIPTS "${package_files}/seal.cmake")
set(CPACK_POSTERN_FILES "${package_files}")
set(CPACK_POSTERN_CONFIGURED_PREFIX "${CMAKE_INSTALL_PREFIX}")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${POSTERN_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_RELEASE "${package_release}")
set(CPACK_DEBIAN_PACKAGE_SECTION admin)

set(CPACK_DEBIAN_POSTERN_PACKAGE_NAME postern)
set(CPACK_DEBIAN_POSTERN_DESCRIPTION "virtio-fs daemon that keeps a guest away from its rights
postern shares a directory of the host with a virtual machine, over
vhost-user, and takes the options of virtiofsd. The process that reads what
the guest wrote has no right at all; the one that has rights on the shared
directory reads nothing of the guest's, and takes what it is asked for an
attacker's words.")
set(CPACK_DEBIAN_POSTERN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_POSTERN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers, uidmap")
set(CPACK_DEBIAN_POSTERN_PACKAGE_SUGGESTS "qemu-system-x86, libvirt-daemon-system")
set(CPACK_DEBIAN_POSTERN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_VIRTIOFSD_PACKAGE_NAME postern-virtiofsd)
set(CPACK_DEBIAN_VIRTIOFSD_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_VIRTIOFSD_DESCRIPTION "postern under the name of virtiofsd
Programs that start virtiofsd by its name and place get postern's posternd
with this package, which takes the place of the package virtiofsd.")
set(CPACK_DEBIAN_VIRTIOFSD_PACKAGE_DEPENDS postern)
set(CPACK_DEBIAN_VIRTIOFSD_PACKAGE_CONFLICTS virtiofsd)
set(CPACK_DEBIAN_VIRTIOFSD_PACKAGE_REPLACES virtiofsd)
set(CPACK_DEBIAN_VIRTIOFSD_PACKAGE_PROVIDES "virtiofsd (= 1.14.0)")

# Where callers look: most at /usr/libexec/virtiofsd, Incus and virtme-ng in PATH first.
install(CODE "
  set(root \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\")
  file(MAKE_DIRECTORY \"\${root}/bin\" \"\${root}/libexec\")
  file(CREATE_LINK posternd \"\${root}/bin/virtiofsd\" SYMBOLIC)
  file(CREATE_LINK ../bin/posternd \"\${root}/libexec/virtiofsd\" SYMBOLIC)"
  COMPONENT virtiofsd EXCLUDE_FROM_ALL)
install(FILES "${package_files}/virtiofsd.8" DESTINATION "${CMAKE_INSTALL_MANDIR}/man8"
  COMPONENT virtiofsd EXCLUDE_FROM_ALL)

# What the administrator may change: dpkg asks before it replaces these.
set(package_conffiles "")
include("${package_files}/Policies.cmake")

set(scripts "${package_files}/postern/postinst" "${package_files}/postern/prerm" "${package_files}/postern/postrm")
if(package_conffiles)
  list(JOIN package_conffiles "\n" conffiles)
  file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/packages/conffiles" CONTENT "${conffiles}\n" @ONLY)
  list(APPEND scripts "${CMAKE_BINARY_DIR}/packages/conffiles")
endif()
set(CPACK_DEBIAN_POSTERN_PACKAGE_CONTROL_EXTRA "${scripts}")

include(CPack)
