# SPDX-License-Identifier: MIT
#
# Which files make the library on this platform. Sets COPPICE_SOURCES,
# COPPICE_BACKENDS, COPPICE_PROCESSOR and COPPICE_PUBLIC_HEADERS.
#
# A platform is chosen by file, and this table is the one place where it is
# chosen: a file that is listed here is compiled only where its row matches
# ("*" matches everything, "A|B" both); any other .c file of a layer is portable.
# The last column is a library that was found (COPPICE_HAVE_...), or was not.

set(_free "FreeBSD|NetBSD|OpenBSD|DragonFly")
set(_bsd "Darwin|${_free}")

set(COPPICE_PLATFORM_TABLE
# file                       processor  system   with
  "arch/x86_64/switch.S      x86_64     *"
  "arch/aarch64/switch.S     aarch64    *"
  "src/base/sys_linux.c      *          Linux"
  "src/base/sys_bsd.c        *          ${_bsd}"
  "src/base/wait_posix.c     *          Linux|${_free}"
  "src/base/wait_macos.c     *          Darwin"
  "src/base/calls_linux.c    *          Linux"
  "src/core/vm_linux.c       *          Linux"
  "src/core/vm_bsd.c         *          ${_bsd}"
  "src/poll/epoll.c          *          Linux"
  "src/poll/pollers_linux.c  *          Linux    !KQUEUE"
  "src/poll/pollers_linux_kqueue.c  *   Linux    KQUEUE"
  "src/poll/pollers_bsd.c    *          ${_bsd}"
  "src/poll/kqueue.c         *          *        KQUEUE"
  "src/poll/kqchanges.c      *          *        KQUEUE"
  "src/poll/pending.c        *          *        KQUEUE"
  "src/poll/urgent_except.c  *          *        EXCEPT"
  "src/poll/urgent_none.c    *          *        NOEXCEPT"
  "src/poll/wake_eventfd.c   *          Linux"
  "src/poll/wake_pipe.c      *          ${_bsd}"
  "src/poll/watches_linux.c  *          Linux    !KQUEUE"
  "src/poll/watches_kqueue.c *          *        KQUEUE"
  "src/poll/uring.c          *          Linux    URING"
  "src/poll/uring_command.c  *          Linux    URING"
  "src/poll/uring_lend.c     *          Linux    URING"
  "src/poll/uring_queue.c    *          Linux    URING"
  "src/poll/uring_reap.c     *          Linux    URING"
  "src/poll/uring_none.c     *          Linux    !URING"
  "src/offload/sys_linux.c   *          Linux"
  "src/offload/sys_macos.c   *          Darwin"
  "src/offload/sys_bsd.c     *          ${_free}"
  "src/io/procspawn_linux.c  *          Linux"
  "src/io/procspawn_macos.c  *          Darwin"
  "src/io/procspawn_bsd.c    *          ${_free}"
  "src/io/sys_linux.c        *          Linux"
  "src/io/sys_posix.c        *          Linux|${_free}"
  "src/io/sys_macos.c        *          Darwin"
  "src/io/sys_bsd.c          *          ${_bsd}"
  "src/io/splice_linux.c     *          Linux"
  "src/io/splice_none.c      *          ${_bsd}"
  "src/io/mmsg_linux.c       *          Linux"
  "src/io/mmsg_loop.c        *          ${_bsd}"
  "src/debug/outside_linux.c *          Linux"
  "src/debug/outside_none.c  *          ${_bsd}"
  "src/io/dns_ares.c         *          *        CARES"
  "src/io/dns_none.c         *          *        !CARES"
)

# The reactors by name (core/poller.h), and the file that makes each.
set(COPPICE_BACKEND_TABLE
  "epoll     src/poll/epoll.c"
  "kqueue    src/poll/kqueue.c"
  "io_uring  src/poll/uring.c"
  "poll      src/poll/poll.c"
)

# The layers that make libcoppice, lowest first. hook and http are libraries of
# their own.
set(COPPICE_LAYERS
  base core poll sync offload io event runtime debug testing)

# The names under which systems know the processors that we have a switch for.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(COPPICE_PROCESSOR x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(COPPICE_PROCESSOR aarch64)
else()
  message(FATAL_ERROR
    "Coppice has no stack switch for '${CMAKE_SYSTEM_PROCESSOR}': write "
    "arch/<processor>/switch.S to the contract in arch/switch.h, and add it "
    "to the table in cmake/sources.cmake")
endif()

set(COPPICE_SOURCES "")
foreach(_layer IN LISTS COPPICE_LAYERS)
  file(GLOB _files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${_layer}/*.c")
  list(APPEND COPPICE_SOURCES ${_files})
endforeach()

foreach(_row IN LISTS COPPICE_PLATFORM_TABLE)
  if(NOT _row MATCHES "^([^ ]+) +([^ ]+) +([^ ]+)( +(!?)([A-Z]+))?$")
    message(FATAL_ERROR "cmake/sources.cmake: bad row '${_row}'")
  endif()
  set(_file "${PROJECT_SOURCE_DIR}/${CMAKE_MATCH_1}")
  string(REPLACE "*" ".*" _processor "${CMAKE_MATCH_2}")
  string(REPLACE "*" ".*" _system "${CMAKE_MATCH_3}")
  set(_with TRUE)
  if(CMAKE_MATCH_6)
    set(_with "${COPPICE_HAVE_${CMAKE_MATCH_6}}")
    if(CMAKE_MATCH_5)
      if(_with)
        set(_with FALSE)
      else()
        set(_with TRUE)
      endif()
    endif()
  endif()
  list(REMOVE_ITEM COPPICE_SOURCES "${_file}")
  if(_with AND COPPICE_PROCESSOR MATCHES "^(${_processor})$"
     AND CMAKE_SYSTEM_NAME MATCHES "^(${_system})$")
    list(APPEND COPPICE_SOURCES "${_file}")
  endif()
endforeach()

set(COPPICE_BACKENDS "")
foreach(_row IN LISTS COPPICE_BACKEND_TABLE)
  string(REGEX MATCH "^([^ ]+) +([^ ]+)$" _matched "${_row}")
  if("${PROJECT_SOURCE_DIR}/${CMAKE_MATCH_2}" IN_LIST COPPICE_SOURCES)
    list(APPEND COPPICE_BACKENDS "${CMAKE_MATCH_1}")
  endif()
endforeach()

list(APPEND COPPICE_SOURCES ${COPPICE_KQUEUE_SOURCES})

file(GLOB COPPICE_PUBLIC_HEADERS CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/include/coppice/*.h")

unset(_bsd)
unset(_free)
unset(_files)
unset(_matched)
unset(_file)
unset(_processor)
unset(_system)
unset(_with)
