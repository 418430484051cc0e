# What selinux/ has for packages, compiled by its Makefile against the release that the package is for: the AppArmor
# profile goes into postern, the SELinux module (where selinux-policy-dev is installed) is a package of its own.
set(policies "${CMAKE_SOURCE_DIR}/selinux")
if(NOT EXISTS "${policies}/Makefile")
  return()
endif()
set(compiled "${CMAKE_BINARY_DIR}/policies")

# As they are installed: no test and no program needs them.
function(postern_compile_policy kind component)
  install(CODE "execute_process(COMMAND make -s -C \"${policies}\" \"OUT=${compiled}\" ${kind} COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endfunction()

if(EXISTS /etc/apparmor.d/abi)
  postern_compile_policy(apparmor postern)
  install(FILES "${compiled}/apparmor/posternd" DESTINATION "${CMAKE_INSTALL_FULL_SYSCONFDIR}/apparmor.d"
    COMPONENT postern EXCLUDE_FROM_ALL)
  install(FILES "${compiled}/apparmor/libvirtd" DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples" RENAME apparmor-libvirtd
    COMPONENT postern EXCLUDE_FROM_ALL)
  list(APPEND package_conffiles /etc/apparmor.d/posternd)
endif()

if(EXISTS /usr/share/selinux/devel/Makefile)
  postern_compile_policy(selinux selinux)
  install(FILES "${compiled}/selinux/postern.pp" DESTINATION "${CMAKE_INSTALL_DATADIR}/selinux/packages"
    COMPONENT selinux EXCLUDE_FROM_ALL)
  install(FILES "${compiled}/selinux/postern.if" DESTINATION "${CMAKE_INSTALL_DATADIR}/selinux/devel/include/distributed"
    COMPONENT selinux EXCLUDE_FROM_ALL)
  list(APPEND CPACK_COMPONENTS_ALL selinux)
  set(CPACK_DEBIAN_SELINUX_PACKAGE_NAME postern-selinux)
  set(CPACK_DEBIAN_SELINUX_PACKAGE_ARCHITECTURE all)
  set(CPACK_DEBIAN_SELINUX_DESCRIPTION "SELinux policy module for postern
A domain for each of postern's processes, and types for its programs and for
shared directories.")
  set(CPACK_DEBIAN_SELINUX_PACKAGE_DEPENDS "policycoreutils, selinux-policy-default | selinux-policy-mls, selinux-utils")
  set(CPACK_DEBIAN_SELINUX_PACKAGE_ENHANCES postern)
  set(CPACK_DEBIAN_SELINUX_PACKAGE_CONTROL_EXTRA
      "${package_files}/postern-selinux/postinst;${package_files}/postern-selinux/postrm")
  set(CPACK_DEBIAN_SELINUX_PACKAGE_CONTROL_STRICT_PERMISSION ON)
endif()
