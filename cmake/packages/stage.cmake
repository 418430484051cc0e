# In cpack, when the install rules have filled a directory for each component: adds what Debian's policy wants in each
# package, and compresses what it wants compressed.
function(compress file)
  execute_process(COMMAND gzip -9nf "${file}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(version "${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  set(root "${CPACK_TEMPORARY_DIRECTORY}/${component}/usr/share")
  string(TOUPPER "${component}" upper)
  set(package "${CPACK_DEBIAN_${upper}_PACKAGE_NAME}")

  file(GLOB_RECURSE pages "${root}/man/*.8")
  foreach(page IN LISTS pages)
    compress("${page}")
  endforeach()

  set(doc "${root}/doc/${package}")
  configure_file("${CPACK_POSTERN_FILES}/copyright" "${doc}/copyright" COPYONLY)
  # The newest entry's version is the package's, which names the release that it was built on.
  file(READ "${CPACK_POSTERN_FILES}/changelog" changelog)
  string(REGEX REPLACE "^postern \\([^)]*\\)" "postern (${version})" changelog "${changelog}")
  file(WRITE "${doc}/changelog.Debian" "${changelog}")
  compress("${doc}/changelog.Debian")
  if(EXISTS "${CPACK_POSTERN_FILES}/${package}/overrides")
    configure_file("${CPACK_POSTERN_FILES}/${package}/overrides" "${root}/lintian/overrides/${package}" COPYONLY)
  endif()

  # Whatever the umask of who builds it.
  execute_process(COMMAND chmod -R u=rwX,go=rX "${CPACK_TEMPORARY_DIRECTORY}/${component}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
