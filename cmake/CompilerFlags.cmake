set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

set(POSTERN_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize= takes them")

option(POSTERN_FUZZ "Build the fuzzers with libFuzzer (clang only) instead of running their corpora as tests" OFF)

# On for developers and CI (CMakePresets.json). A compiler or library to come warns of what none does today, and that
# must not keep anybody from building a release.
option(POSTERN_WERROR "Take warnings for errors" OFF)

# Warnings apply to our own code only: third-party and generated headers come in as system headers.
add_library(postern_flags INTERFACE)
target_compile_options(postern_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  $<$<BOOL:${POSTERN_WERROR}>:-Werror>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wthread-safety-beta>
  # What is released has no path of the machine that built it.
  $<$<CONFIG:Release>:-ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build>
  # What a designated initializer leaves out is zero, and that is meant.
  $<$<AND:$<CXX_COMPILER_ID:Clang>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,19>>:-Wno-missing-designated-field-initializers>)
target_include_directories(postern_flags INTERFACE "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}/generated")

if(POSTERN_SANITIZE)
  # g++ 12 finds uninitialized members in its own std::regex when that is instrumented.
  target_compile_options(postern_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(POSTERN_SANITIZE MATCHES "thread")
    # ThreadSanitizer doesn't model fences, and g++ says so. They order what lies between device and driver, whose
    # accesses it doesn't see as a pair anyway.
    target_compile_options(postern_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
  # Lines are all that a report needs, and compiling takes a tenth less.
  add_compile_options(-fsanitize=${POSTERN_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${POSTERN_SANITIZE})
  add_compile_definitions(POSTERN_SANITIZED=1)
  if(POSTERN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined)
  endif()
else()
  # Hardening. _FORTIFY_SOURCE needs optimization, and the sanitizers replace it.
  add_compile_options(-fstack-protector-strong -fstack-clash-protection
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>
    $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection=full>)
  add_compile_definitions(_GLIBCXX_ASSERTIONS=1)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()
set(CMAKE_EXE_LINKER_FLAGS "${CMAKE_EXE_LINKER_FLAGS} -pie")
