# In cpack, before anything is staged.
if(NOT CPACK_POSTERN_CONFIGURED_PREFIX STREQUAL CPACK_PACKAGING_INSTALL_PREFIX)
  set(wanted "${CPACK_PACKAGING_INSTALL_PREFIX}")
  message(FATAL_ERROR "postern was configured for ${CPACK_POSTERN_CONFIGURED_PREFIX}, and packages are for ${wanted}: "
                      "configure with --install-prefix ${wanted}")
endif()
# The same sources give the same packages: their files are as old as the last entry of the changelog.
execute_process(COMMAND dpkg-parsechangelog -l "${CPACK_POSTERN_FILES}/changelog" -S Timestamp
  OUTPUT_VARIABLE epoch OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(ENV{SOURCE_DATE_EPOCH} "${epoch}")
