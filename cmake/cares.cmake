# SPDX-License-Identifier: MIT
#
# Whether there is c-ares, 1.16 or newer. Sets COPPICE_HAVE_CARES.
#
# Linked by its plain name, as liburing is (see uring.cmake).

set(COPPICE_HAVE_CARES FALSE)
if(COPPICE_CARES)
  include(CheckSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES cares)
  check_source_compiles(C "
    #include <ares.h>
    int main(void)
    {
        struct ares_addrinfo_hints hints = {0};
        ares_getaddrinfo(0, \"a\", 0, &hints, 0, 0);
        return ARES_OPT_RESOLVCONF;
    }" COPPICE_CARES_LINKS)
  unset(CMAKE_REQUIRED_LIBRARIES)
  if(COPPICE_CARES_LINKS)
    set(COPPICE_HAVE_CARES TRUE)
  elseif(NOT COPPICE_CARES STREQUAL "AUTO")
    message(FATAL_ERROR "COPPICE_CARES is ${COPPICE_CARES}, but c-ares 1.16 "
      "or newer was not found")
  endif()
endif()
