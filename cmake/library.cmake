# SPDX-License-Identifier: MIT
#
# The targets coppice (shared, if wanted) and coppice_static, both made of the
# same position-independent objects.

find_package(Threads REQUIRED)

# How the objects of a library are compiled.
function(_coppice_object_properties target)
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    C_STANDARD 11
    C_EXTENSIONS ON
    C_VISIBILITY_PRESET hidden)
  target_link_libraries(${target} PRIVATE coppice_private Threads::Threads)
  target_include_directories(${target}
    PUBLIC "${PROJECT_SOURCE_DIR}/include"
    PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}")
  if(NOT APPLE)
    target_compile_options(${target} PRIVATE
      # The library calls itself without going through the symbol table, and
      # finds the thread's loop in one load. docs/ABI.md tells what that costs
      # dlopen(). (In Mach-O the first is so anyway, the second cannot be had.)
      $<$<COMPILE_LANGUAGE:C>:-fno-semantic-interposition>
      $<$<COMPILE_LANGUAGE:C>:-fno-plt>
      $<$<COMPILE_LANGUAGE:C>:-ftls-model=initial-exec>)
  endif()
endfunction()

# A shared library that exports what is in its map; not for Mach-O.
function(_coppice_shared_properties target map)
  set_target_properties(${target} PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS "${map}")
  if(APPLE)
    return()
  endif()
  target_link_options(${target} PRIVATE "LINKER:--version-script=${map}"
    LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
  if(NOT COPPICE_SANITIZE)
    # clang leaves a sanitizer's symbols to the program.
    target_link_options(${target} PRIVATE LINKER:-z,defs)
  endif()
endfunction()

add_library(coppice_objects OBJECT ${COPPICE_SOURCES})
_coppice_object_properties(coppice_objects)
if(COPPICE_KQUEUE_INCLUDE_DIR)
  target_include_directories(coppice_objects PRIVATE
    "${COPPICE_KQUEUE_INCLUDE_DIR}")
endif()

function(_coppice_library target type)
  add_library(${target} ${type} $<TARGET_OBJECTS:coppice_objects>)
  add_library(coppice::${target} ALIAS ${target})
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME coppice
    EXPORT_NAME ${target}
    # The archive is all objects of C and assembly: link it as C.
    LINKER_LANGUAGE C)
  target_include_directories(${target} INTERFACE
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${target} PUBLIC Threads::Threads)
  if(COPPICE_KQUEUE_LINK)
    target_link_libraries(${target} PUBLIC "${COPPICE_KQUEUE_LINK}")
  endif()
  if(COPPICE_HAVE_URING)
    target_link_libraries(${target} PRIVATE uring)
  endif()
  if(COPPICE_HAVE_CARES)
    target_link_libraries(${target} PRIVATE cares)
  endif()
endfunction()

_coppice_library(coppice_static STATIC)

if(COPPICE_BUILD_SHARED)
  _coppice_library(coppice SHARED)
  _coppice_shared_properties(coppice "${PROJECT_SOURCE_DIR}/src/coppice.map")
  if(APPLE)
    # Hidden visibility has hidden the same already. Not every linker knows it.
    file(STRINGS src/coppice.map _exports REGEX "^ +co_[a-z0-9_]+;$")
    list(TRANSFORM _exports REPLACE "^ +(.*);$" "_\\1")
    list(JOIN _exports "\n" _exports)
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/coppice.exports"
      CONTENT "@_exports@\n" @ONLY)
    unset(_exports)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
      src/coppice.map)
    include(CheckLinkerFlag)
    check_linker_flag(C "LINKER:-exported_symbols_list,/dev/null"
      COPPICE_HAVE_EXPORTED_SYMBOLS_LIST)
    if(COPPICE_HAVE_EXPORTED_SYMBOLS_LIST)
      target_link_options(coppice PRIVATE
        "LINKER:-exported_symbols_list,${PROJECT_BINARY_DIR}/coppice.exports")
    endif()
  endif()
else()
  # One name for users, whichever library there is.
  add_library(coppice INTERFACE)
  add_library(coppice::coppice ALIAS coppice)
  target_link_libraries(coppice INTERFACE coppice_static)
endif()
