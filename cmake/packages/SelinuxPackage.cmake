# The package postern-selinux, where the module's source and what compiles it (selinux-policy-dev) are there. The module is
# compiled against the policy of the release that the package is for.
set(selinux_source "${CMAKE_SOURCE_DIR}/selinux")
set(selinux_makefile /usr/share/selinux/devel/Makefile)
if(NOT EXISTS "${selinux_source}/postern.te" OR NOT EXISTS "${selinux_makefile}")
  return()
endif()

set(selinux_build "${CMAKE_BINARY_DIR}/selinux")
set(selinux_sources "${selinux_source}/postern.te" "${selinux_source}/postern.fc" "${selinux_source}/postern.if")
add_custom_command(
  OUTPUT "${selinux_build}/postern.pp"
  COMMAND "${CMAKE_COMMAND}" -E make_directory "${selinux_build}"
  COMMAND "${CMAKE_COMMAND}" -E copy ${selinux_sources} "${selinux_build}"
  COMMAND make -s -C "${selinux_build}" -f "${selinux_makefile}" postern.pp
  DEPENDS ${selinux_sources} VERBATIM)
add_custom_target(selinux_module ALL DEPENDS "${selinux_build}/postern.pp")

install(FILES "${selinux_build}/postern.pp" DESTINATION "${CMAKE_INSTALL_DATADIR}/selinux/packages"
  COMPONENT selinux EXCLUDE_FROM_ALL)
install(FILES "${selinux_source}/postern.if" DESTINATION "${CMAKE_INSTALL_DATADIR}/selinux/devel/include/distributed"
  COMPONENT selinux EXCLUDE_FROM_ALL)
if(EXISTS "${selinux_source}/posternd-selinux.8")
  install(FILES "${selinux_source}/posternd-selinux.8" DESTINATION "${CMAKE_INSTALL_MANDIR}/man8"
    COMPONENT selinux EXCLUDE_FROM_ALL)
endif()

list(APPEND CPACK_COMPONENTS_ALL selinux)
set(CPACK_DEBIAN_SELINUX_PACKAGE_NAME postern-selinux)
set(CPACK_DEBIAN_SELINUX_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_SELINUX_DESCRIPTION "SELinux policy module for postern
A domain for each of postern's processes, and types for its programs and for
shared directories.")
set(CPACK_DEBIAN_SELINUX_PACKAGE_DEPENDS "policycoreutils, selinux-policy-default | selinux-policy-mls")
set(CPACK_DEBIAN_SELINUX_PACKAGE_ENHANCES postern)
set(CPACK_DEBIAN_SELINUX_PACKAGE_CONTROL_EXTRA
    "${package_files}/postern-selinux/postinst;${package_files}/postern-selinux/postrm")
set(CPACK_DEBIAN_SELINUX_PACKAGE_CONTROL_STRICT_PERMISSION ON)
