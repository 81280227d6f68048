# SPDX-License-Identifier: MIT
#
# What the user may choose. Whoever adds Coppice as a subdirectory wants the
# library alone; whoever opens Coppice itself wants everything.

# PROJECT_IS_TOP_LEVEL is the project() call's own answer (CMake 3.21).
set(_top "${PROJECT_IS_TOP_LEVEL}")

option(COPPICE_BUILD_SHARED "Build libcoppice.so beside libcoppice.a" ON)
option(COPPICE_BUILD_TESTS "Build the tests" ${_top})
option(COPPICE_BUILD_EXAMPLES "Build the examples" ${_top})
option(COPPICE_BUILD_BENCH "Build the benchmark programs" ${_top})
option(COPPICE_INSTALL "Generate the install rules" ${_top})

option(COPPICE_WERROR "Treat warnings in Coppice's own code as errors" OFF)
option(COPPICE_DEBUG "Extra checks: asserted invariants, quarantined handles"
  OFF)
option(COPPICE_COVERAGE "Instrument for gcov" OFF)
option(COPPICE_MEMCHECK "Run every test under valgrind's memcheck" OFF)
option(COPPICE_TEST_LIBRARIES
  "Run client libraries against servers that are installed" OFF)
option(COPPICE_LINT "Register clang-tidy as a test" OFF)

set(COPPICE_SANITIZE "" CACHE STRING
  "Sanitizer: empty, address (with undefined), thread or leak")
set_property(CACHE COPPICE_SANITIZE PROPERTY STRINGS "" address thread leak)
if(NOT COPPICE_SANITIZE MATCHES "^(|address|thread|leak)$")
  message(FATAL_ERROR
    "COPPICE_SANITIZE is '${COPPICE_SANITIZE}'; it may be empty, address, "
    "thread or leak")
endif()

set(COPPICE_VALGRIND AUTO CACHE STRING
  "Tell valgrind about the tasks' stacks: AUTO (when its header is there), ON, \
OFF")
set_property(CACHE COPPICE_VALGRIND PROPERTY STRINGS AUTO ON OFF)

set(COPPICE_KQUEUE_LIB "" CACHE STRING
  "On Linux: what provides kqueue, to test that reactor: a library's path, or \
'shim' for the one in tests/support")

set(COPPICE_URING AUTO CACHE STRING
  "The io_uring reactor, which needs liburing: AUTO (when it is there), ON, OFF")
set_property(CACHE COPPICE_URING PROPERTY STRINGS AUTO ON OFF)

set(COPPICE_CARES AUTO CACHE STRING
  "Lookups of host names by c-ares: AUTO (when it is there), ON, OFF")
set_property(CACHE COPPICE_CARES PROPERTY STRINGS AUTO ON OFF)

set(COPPICE_TLS AUTO CACHE STRING
  "libcoppice-tls, which needs OpenSSL 3: AUTO (when it is there), ON, OFF")
set_property(CACHE COPPICE_TLS PROPERTY STRINGS AUTO ON OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES AND _top)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
unset(_top)

# Nothing of what is built can be run here: there are other tests.
set(COPPICE_FOREIGN OFF)
if(APPLE AND CMAKE_CROSSCOMPILING)
  set(COPPICE_FOREIGN ON)
endif()
