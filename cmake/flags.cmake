# SPDX-License-Identifier: MIT
#
# coppice_private: how Coppice's own code (library, tests, examples) is
# compiled. Nothing of it reaches a user's program.

include(CheckCCompilerFlag)
include(CheckIncludeFile)
include(CheckLinkerFlag)

add_library(coppice_private INTERFACE)
target_compile_features(coppice_private INTERFACE c_std_11)
target_compile_definitions(coppice_private INTERFACE _GNU_SOURCE
  $<$<BOOL:${COPPICE_DEBUG}>:CO_DEBUG=1>)

# C only: the assembler would call the rest unused.
function(_coppice_c_options)
  foreach(_flag IN LISTS ARGN)
    target_compile_options(coppice_private INTERFACE
      "$<$<COMPILE_LANGUAGE:C>:${_flag}>")
  endforeach()
endfunction()

# Flags that not every compiler has on every machine.
function(_coppice_c_options_if_known)
  foreach(_flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "COPPICE_HAVE${_flag}" _have)
    # -Werror: clang only warns about a flag that it ignores.
    set(CMAKE_REQUIRED_FLAGS "-Werror")
    check_c_compiler_flag("${_flag}" ${_have})
    if(${_have})
      _coppice_c_options("${_flag}")
    endif()
  endforeach()
endfunction()

_coppice_c_options(-Wall -Wextra -Wpedantic -Wshadow
  -Wstrict-prototypes -Wmissing-prototypes -Wvla)
if(COPPICE_WERROR)
  _coppice_c_options(-Werror)
endif()

_coppice_c_options_if_known(
  # A task's stack may end anywhere below its caller: every caller unwinds.
  -fasynchronous-unwind-tables
  # A big frame must touch the guard page, not jump over it.
  -fstack-clash-protection)

# ---- sanitizers, coverage, valgrind ----------------------------------------

# Everything in this tree, or the runtime libraries would not fit together.
if(COPPICE_SANITIZE STREQUAL "address")
  set(COPPICE_SANITIZE_FLAGS -fsanitize=address,undefined
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(COPPICE_SANITIZE)
  set(COPPICE_SANITIZE_FLAGS -fsanitize=${COPPICE_SANITIZE}
    -fno-omit-frame-pointer)
else()
  set(COPPICE_SANITIZE_FLAGS "")
endif()
if(COPPICE_SANITIZE)
  add_compile_options(${COPPICE_SANITIZE_FLAGS})
  # The instruments hide from gcc what is initialised where.
  target_compile_options(coppice_private INTERFACE
    $<$<COMPILE_LANG_AND_ID:C,GNU>:-Wno-maybe-uninitialized>)
  add_link_options(${COPPICE_SANITIZE_FLAGS})
  # The runtime is in every program: binutils' other linker takes half as long.
  check_linker_flag(C -fuse-ld=gold COPPICE_HAVE_GOLD)
  if(COPPICE_HAVE_GOLD)
    add_link_options(-fuse-ld=gold)
  endif()
endif()

if(COPPICE_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

if(COPPICE_VALGRIND STREQUAL "AUTO")
  check_include_file(valgrind/valgrind.h COPPICE_HAVE_VALGRIND_H)
  set(_valgrind "${COPPICE_HAVE_VALGRIND_H}")
else()
  set(_valgrind "${COPPICE_VALGRIND}")
endif()
if(_valgrind)
  target_compile_definitions(coppice_private INTERFACE CO__VALGRIND=1)
endif()
unset(_valgrind)
