# SPDX-License-Identifier: MIT
#
# Whether there is liburing, 2.3 or newer. Sets COPPICE_HAVE_URING.
#
# It is linked by its plain name, so that what is installed can be moved: the
# shared library needs liburing.so, and whoever links the archive liburing's
# own.

set(COPPICE_HAVE_URING FALSE)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND COPPICE_URING)
  include(CheckSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES uring)
  check_source_compiles(C "
    #define _GNU_SOURCE
    #include <liburing.h>
    int main(void)
    {
        struct io_uring ring;
        return io_uring_register_ring_fd(&ring) +
               io_uring_submit_and_get_events(&ring) +
               IORING_SETUP_DEFER_TASKRUN;
    }" COPPICE_LIBURING_LINKS)
  unset(CMAKE_REQUIRED_LIBRARIES)
  if(COPPICE_LIBURING_LINKS)
    set(COPPICE_HAVE_URING TRUE)
  elseif(NOT COPPICE_URING STREQUAL "AUTO")
    message(FATAL_ERROR "COPPICE_URING is ${COPPICE_URING}, but liburing 2.3 "
      "or newer was not found")
  endif()
endif()
