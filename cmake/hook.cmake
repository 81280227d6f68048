# SPDX-License-Identifier: MIT
#
# libcoppice-hook: the targets coppice_hook (shared, if wanted) and
# coppice_hook_static, and the program coppice-run. Linux with glibc alone: it
# stands in for functions of that library (as the shim of kqueue does for some
# of the same, so not with that). Sets COPPICE_HAVE_HOOK.

set(COPPICE_HAVE_HOOK FALSE)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT COPPICE_KQUEUE_SOURCES)
  include(CheckSourceCompiles)
  check_source_compiles(C "
    #include <features.h>
    #if !__GLIBC_PREREQ(2, 34)
    #error too old
    #endif
    int main(void)
    {
        return 0;
    }" COPPICE_HAVE_GLIBC)
  set(COPPICE_HAVE_HOOK "${COPPICE_HAVE_GLIBC}")
endif()
if(NOT COPPICE_HAVE_HOOK)
  list(FILTER COPPICE_PUBLIC_HEADERS EXCLUDE REGEX "/hook\\.h$")
  return()
endif()

file(GLOB COPPICE_HOOK_SOURCES CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/src/hook/*.c")

add_library(coppice_hook_objects OBJECT ${COPPICE_HOOK_SOURCES})
_coppice_object_properties(coppice_hook_objects)
# Calls of ours that were checked would be calls of what we hook.
target_compile_options(coppice_hook_objects PRIVATE -U_FORTIFY_SOURCE)

function(_coppice_hook_library target type core)
  add_library(${target} ${type} $<TARGET_OBJECTS:coppice_hook_objects>)
  string(REPLACE "coppice_" "" _name "${target}")
  add_library(coppice::${_name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME coppice-hook
    EXPORT_NAME ${_name}
    LINKER_LANGUAGE C)
  target_link_libraries(${target} PUBLIC ${core})
endfunction()

_coppice_hook_library(coppice_hook_static STATIC coppice_static)
if(COPPICE_BUILD_SHARED)
  _coppice_hook_library(coppice_hook SHARED coppice)
  _coppice_shared_properties(coppice_hook
    "${PROJECT_SOURCE_DIR}/src/coppice-hook.map")
  # What dlsym and the dynamic linker were told stays true; and what the library
  # calls its own is, though the linker may bind all others to the C library.
  target_link_options(coppice_hook PRIVATE
    LINKER:-z,nodelete LINKER:-Bsymbolic-functions)
  set(COPPICE_RUN_LIBDIR ".")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/coppice-run.in"
    "${PROJECT_BINARY_DIR}/coppice-run" @ONLY)
else()
  add_library(coppice_hook INTERFACE)
  add_library(coppice::hook ALIAS coppice_hook)
  set_target_properties(coppice_hook PROPERTIES EXPORT_NAME hook)
  target_link_libraries(coppice_hook INTERFACE coppice_hook_static)
endif()
