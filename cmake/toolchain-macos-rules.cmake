# SPDX-License-Identifier: MIT
#
# Part of toolchain-macos.cmake. cmake/library.cmake writes coppice.exports.

get_filename_component(_zig "${COPPICE_ZIG}" REALPATH)
get_filename_component(_zig "${_zig}" DIRECTORY)
if(COPPICE_MACOS_PROCESSOR STREQUAL "aarch64")
  set(_arch arm64)
else()
  set(_arch "${COPPICE_MACOS_PROCESSOR}")
endif()

string(JOIN " " CMAKE_C_CREATE_SHARED_LIBRARY
  "\"${COPPICE_LD64}\" -arch ${_arch} -platform_version macos 11.0 11.0 -dylib"
  "-fatal_warnings -install_name @rpath/<TARGET_SONAME>"
  "-current_version ${CMAKE_PROJECT_VERSION} -headerpad_max_install_names"
  "-exported_symbols_list coppice.exports -o <TARGET> <OBJECTS>"
  "<LINK_LIBRARIES> \"${_zig}/lib/libc/darwin/libSystem.11.tbd\"")

unset(_arch)
unset(_zig)
