# What takes most of a build's time is reading the same large headers again: with POSTERN_PRECOMPILE they are read once.
# Off for releases, whose builds show that each file includes what it needs.
option(POSTERN_PRECOMPILE "Precompile the standard library's, abseil's, protobuf's and GoogleTest's headers" OFF)

if(POSTERN_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
  # Of a precompiled header g++ forgets that it is the system's, and then speaks of faults that it imagines in the
  # library's strings. Builds without precompiled headers keep these warnings.
  target_compile_options(postern_flags INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()

set(postern_common_headers
  <algorithm> <array> <atomic> <chrono> <cstdint> <cstring> <deque> <functional> <map> <memory> <mutex> <optional> <span>
  <string> <string_view> <thread> <utility> <variant> <vector>
  <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/synchronization/mutex.h>
  <glog/logging.h>)

# An object library whose precompiled headers others use: its `kind` decides between -fPIC and -fPIE, which must agree.
function(postern_precompile name kind)
  cmake_parse_arguments(ARG "" "" "HEADERS;LIBRARIES" ${ARGN})
  if(NOT POSTERN_PRECOMPILE)
    return()
  endif()
  file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/${name}.cc" CONTENT "int main() { return 0; }\n")
  if(kind STREQUAL PROGRAM)
    add_executable(${name} EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/${name}.cc")
  else()
    add_library(${name} OBJECT EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/${name}.cc")
  endif()
  target_link_libraries(${name} PRIVATE postern_flags ${ARG_LIBRARIES})
  target_precompile_headers(${name} PRIVATE ${postern_common_headers} ${ARG_HEADERS})
endfunction()

# Has `target` use those of postern_precompile(NAME).
function(postern_use_precompiled target name)
  if(POSTERN_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()
