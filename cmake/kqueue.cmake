# SPDX-License-Identifier: MIT
#
# Where kqueue comes from. macOS and the BSDs have it; on Linux it is there for
# tests alone, from the library that COPPICE_KQUEUE_LIB names.
#
# Sets COPPICE_HAVE_KQUEUE, and one of COPPICE_HAVE_EXCEPT and _NOEXCEPT: whether
# there is a filter for urgent data. On Linux also what to compile and to link:
# COPPICE_KQUEUE_SOURCES, COPPICE_KQUEUE_INCLUDE_DIR, COPPICE_KQUEUE_LINK.

include(CheckSymbolExists)

set(COPPICE_HAVE_KQUEUE FALSE)
set(COPPICE_HAVE_EXCEPT FALSE)
set(COPPICE_HAVE_NOEXCEPT FALSE)
set(COPPICE_KQUEUE_SOURCES "")
set(COPPICE_KQUEUE_INCLUDE_DIR "")
set(COPPICE_KQUEUE_LINK "")

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  set(COPPICE_HAVE_KQUEUE TRUE)
elseif(COPPICE_KQUEUE_LIB STREQUAL "shim")
  set(_shim "${PROJECT_SOURCE_DIR}/tests/support/kqueue_shim")
  file(GLOB COPPICE_KQUEUE_SOURCES CONFIGURE_DEPENDS "${_shim}/*.c")
  set(COPPICE_KQUEUE_INCLUDE_DIR "${_shim}/include")
  set(COPPICE_HAVE_KQUEUE TRUE)
  unset(_shim)
elseif(COPPICE_KQUEUE_LIB)
  set(COPPICE_KQUEUE_LINK "${COPPICE_KQUEUE_LIB}")
  get_filename_component(_folder "${COPPICE_KQUEUE_LIB}" DIRECTORY)
  find_path(COPPICE_KQUEUE_HEADERS sys/event.h NO_DEFAULT_PATH
    PATHS "${_folder}/../include/kqueue" "${_folder}/../../include/kqueue"
    "${_folder}/../include" /usr/include/kqueue /usr/local/include/kqueue)
  if(NOT EXISTS "${COPPICE_KQUEUE_LIB}" OR NOT COPPICE_KQUEUE_HEADERS)
    message(FATAL_ERROR "COPPICE_KQUEUE_LIB is '${COPPICE_KQUEUE_LIB}': no such "
      "library, or no <sys/event.h> beside it (COPPICE_KQUEUE_HEADERS names "
      "its folder)")
  endif()
  set(COPPICE_KQUEUE_INCLUDE_DIR "${COPPICE_KQUEUE_HEADERS}")
  set(COPPICE_HAVE_KQUEUE TRUE)
  unset(_folder)
endif()

if(COPPICE_HAVE_KQUEUE)
  set(CMAKE_REQUIRED_INCLUDES "${COPPICE_KQUEUE_INCLUDE_DIR}")
  set(CMAKE_REQUIRED_QUIET ON)
  check_symbol_exists(EVFILT_EXCEPT "sys/types.h;sys/event.h"
    COPPICE_EVFILT_EXCEPT)
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_QUIET)
  if(COPPICE_EVFILT_EXCEPT)
    set(COPPICE_HAVE_EXCEPT TRUE)
  else()
    set(COPPICE_HAVE_NOEXCEPT TRUE)
  endif()
endif()
