# SPDX-License-Identifier: MIT
#
# What `cmake --install` copies: libraries, headers, the CMake package, the
# pkg-config file and the man pages. Everything can be moved afterwards.

if(NOT COPPICE_INSTALL)
  return()
endif()

include(CMakePackageConfigHelpers)

set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/coppice")

install(TARGETS coppice coppice_static EXPORT coppice-targets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/include/coppice.h"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES ${COPPICE_PUBLIC_HEADERS}
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/coppice")

install(EXPORT coppice-targets NAMESPACE coppice::
  FILE coppiceTargets.cmake DESTINATION "${_package_dir}")
if(COPPICE_HAVE_TLS)
  install(TARGETS coppice_tls coppice_tls_static EXPORT coppice-tls-targets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(EXPORT coppice-tls-targets NAMESPACE coppice::
    FILE coppiceTlsTargets.cmake DESTINATION "${_package_dir}")
endif()
if(COPPICE_HAVE_HOOK)
  install(TARGETS coppice_hook coppice_hook_static EXPORT coppice-hook-targets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(EXPORT coppice-hook-targets NAMESPACE coppice::
    FILE coppiceHookTargets.cmake DESTINATION "${_package_dir}")
endif()
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/coppiceConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/coppiceConfig.cmake"
  INSTALL_DESTINATION "${_package_dir}")
# Before 1.0 a new minor version may change anything (docs/ABI.md).
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/coppiceConfig.cmake"
  "${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake"
  DESTINATION "${_package_dir}")

# The prefix is found from the file's own place, so that an installed tree can
# be moved and `cmake --install --prefix` works.
file(RELATIVE_PATH COPPICE_PC_PREFIX
  "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" COPPICE_PC_PREFIX "${COPPICE_PC_PREFIX}")
set(COPPICE_PC_PRIVATE "-pthread")
if(COPPICE_HAVE_URING)
  string(APPEND COPPICE_PC_PRIVATE " -luring")
endif()
if(COPPICE_HAVE_CARES)
  string(APPEND COPPICE_PC_PRIVATE " -lcares")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/coppice.pc.in"
  "${PROJECT_BINARY_DIR}/coppice.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/coppice.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(COPPICE_HAVE_TLS)
  configure_file("${PROJECT_SOURCE_DIR}/cmake/coppice-tls.pc.in"
    "${PROJECT_BINARY_DIR}/coppice-tls.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/coppice-tls.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()

if(COPPICE_HAVE_HOOK)
  configure_file("${PROJECT_SOURCE_DIR}/cmake/coppice-hook.pc.in"
    "${PROJECT_BINARY_DIR}/coppice-hook.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/coppice-hook.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  if(COPPICE_BUILD_SHARED)
    file(RELATIVE_PATH COPPICE_RUN_LIBDIR "${CMAKE_INSTALL_FULL_BINDIR}"
      "${CMAKE_INSTALL_FULL_LIBDIR}")
    configure_file("${PROJECT_SOURCE_DIR}/cmake/coppice-run.in"
      "${PROJECT_BINARY_DIR}/install/coppice-run" @ONLY)
    install(PROGRAMS "${PROJECT_BINARY_DIR}/install/coppice-run"
      DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endif()

foreach(_section 3 7)
  file(GLOB _pages CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/docs/man/*.${_section}")
  if(_pages)
    install(FILES ${_pages}
      DESTINATION "${CMAKE_INSTALL_MANDIR}/man${_section}")
  endif()
endforeach()
unset(_pages)
unset(_package_dir)
