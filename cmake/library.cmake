# SPDX-License-Identifier: MIT
#
# The targets coppice (shared, if wanted) and coppice_static, both made of the
# same position-independent objects.

find_package(Threads REQUIRED)

add_library(coppice_objects OBJECT ${COPPICE_SOURCES})
set_target_properties(coppice_objects PROPERTIES
  POSITION_INDEPENDENT_CODE ON
  C_STANDARD 11
  C_EXTENSIONS ON
  C_VISIBILITY_PRESET hidden)
target_link_libraries(coppice_objects PRIVATE coppice_private Threads::Threads)
target_include_directories(coppice_objects
  PUBLIC "${PROJECT_SOURCE_DIR}/include"
  PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}")
if(COPPICE_KQUEUE_INCLUDE_DIR)
  target_include_directories(coppice_objects PRIVATE
    "${COPPICE_KQUEUE_INCLUDE_DIR}")
endif()
target_compile_options(coppice_objects PRIVATE
  # The library calls itself without going through the symbol table, and finds
  # the thread's loop in one load. docs/ABI.md tells what that costs dlopen().
  $<$<COMPILE_LANGUAGE:C>:-fno-semantic-interposition>
  $<$<COMPILE_LANGUAGE:C>:-fno-plt>
  $<$<COMPILE_LANGUAGE:C>:-ftls-model=initial-exec>)

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
endfunction()

_coppice_library(coppice_static STATIC)

if(COPPICE_BUILD_SHARED)
  _coppice_library(coppice SHARED)
  set_target_properties(coppice PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS "${PROJECT_SOURCE_DIR}/src/coppice.map")
  if(NOT APPLE)
    target_link_options(coppice PRIVATE
      "LINKER:--version-script=${PROJECT_SOURCE_DIR}/src/coppice.map"
      LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
    if(NOT COPPICE_SANITIZE)
      # clang leaves a sanitizer's symbols to the program.
      target_link_options(coppice PRIVATE LINKER:-z,defs)
    endif()
  endif()
else()
  # One name for users, whichever library there is.
  add_library(coppice INTERFACE)
  add_library(coppice::coppice ALIAS coppice)
  target_link_libraries(coppice INTERFACE coppice_static)
endif()
