# SPDX-License-Identifier: MIT
#
# coppice_check: what a Check test needs. coppice_add_test() and
# coppice_add_script_test() register tests; every test is run by
# tests/support/run-test, which sees to it that "returned 0" means "finished".

include(CheckLanguage)
find_package(PkgConfig REQUIRED)
find_package(Python3 3.8 REQUIRED COMPONENTS Interpreter)

# For the tests that build C++20. A cross build has it only if the toolchain
# names a compiler: the host's would be found otherwise.
if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CXX_COMPILER)
  check_language(CXX)
  if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
  endif()
endif()

pkg_check_modules(CHECK REQUIRED check>=0.15)

# Slow builds run the same tests with smaller numbers, and in one process, where
# the sanitizers and valgrind see everything, and an emulator translates what the
# cases of a program have in common once: that is most of what it does.
set(_instruments OFF)
if(COPPICE_SANITIZE OR COPPICE_MEMCHECK)
  set(_instruments ON)
endif()
set(_one_process ${_instruments})
if(CMAKE_CROSSCOMPILING_EMULATOR)
  set(_one_process ON)
endif()
set(_slow OFF)
if(_instruments OR CMAKE_CROSSCOMPILING OR COPPICE_COVERAGE)
  set(_slow ON)
endif()

add_library(coppice_check INTERFACE)
target_include_directories(coppice_check SYSTEM INTERFACE
  ${CHECK_INCLUDE_DIRS})
target_include_directories(coppice_check INTERFACE
  "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/src"
  "${PROJECT_SOURCE_DIR}")
target_compile_options(coppice_check INTERFACE
  # Check's macros pass no arguments where C11 wants one.
  $<$<COMPILE_LANG_AND_ID:C,Clang,AppleClang>:-Wno-gnu-zero-variadic-macro-arguments>)
target_compile_definitions(coppice_check INTERFACE
  $<$<BOOL:${_one_process}>:CO_TEST_ONE_PROCESS=1>
  $<$<BOOL:${_slow}>:CO_TEST_SLOW=1>
  $<$<BOOL:${COPPICE_MEMCHECK}>:CO_TEST_MEMCHECK=1>
  $<$<BOOL:${COPPICE_KQUEUE_LINK}>:CO_TEST_FDS_VARY=1>
  $<$<BOOL:${CMAKE_CROSSCOMPILING_EMULATOR}>:CO_TEST_EMULATED=1>)
target_link_libraries(coppice_check INTERFACE coppice_private
  ${CHECK_LINK_LIBRARIES} Threads::Threads)
# What the instruments see of a test is the same without optimisation, which
# takes most of the time to build them. Elsewhere tests are compiled as users
# compile theirs: what a compiler keeps over a switch is then its choice.
set(COPPICE_TEST_OPTIONS "")
if(_instruments)
  set(COPPICE_TEST_OPTIONS -O0)
endif()
unset(_instruments)
unset(_one_process)
unset(_slow)

# ---- how a test is run ------------------------------------------------------

set(COPPICE_TEST_ENVIRONMENT "")
# The sanitizers leave SIGSEGV alone: the overflow report is ours, and what
# comes after it is the default action.
set(_signals "handle_segv=0:handle_sigbus=0:handle_abort=0")
set(COPPICE_RUN_FLAGS "")
if(COPPICE_SANITIZE STREQUAL "address")
  # Leaks are the lsan preset's matter: parked stacks hide them from ASan.
  list(APPEND COPPICE_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:${_signals}"
    "UBSAN_OPTIONS=print_stacktrace=1")
elseif(COPPICE_SANITIZE STREQUAL "leak")
  list(APPEND COPPICE_TEST_ENVIRONMENT "LSAN_OPTIONS=exitcode=23:${_signals}")
elseif(COPPICE_SANITIZE STREQUAL "thread")
  list(APPEND COPPICE_TEST_ENVIRONMENT
    "TSAN_OPTIONS=exitcode=66:second_deadlock_stack=1:${_signals}")
  # Newer kernels spread mappings over places that TSan's shadow lacks.
  list(APPEND COPPICE_RUN_FLAGS --fixed-addresses)
endif()

unset(_signals)

if(COPPICE_MEMCHECK)
  find_program(COPPICE_VALGRIND_PROGRAM valgrind REQUIRED)
  set(COPPICE_TEST_WRAPPER "${COPPICE_VALGRIND_PROGRAM}"
    --quiet --error-exitcode=99 --leak-check=full
    --errors-for-leak-kinds=definite --show-leak-kinds=definite
    --child-silent-after-fork=yes --num-callers=25)
  set(COPPICE_TEST_SLOWNESS 5)
else()
  set(COPPICE_TEST_WRAPPER ${CMAKE_CROSSCOMPILING_EMULATOR})
  if(COPPICE_SANITIZE OR CMAKE_CROSSCOMPILING)
    set(COPPICE_TEST_SLOWNESS 3)
  else()
    set(COPPICE_TEST_SLOWNESS 1)
  endif()
endif()

function(_coppice_test_properties name labels timeout serial)
  math(EXPR _seconds "${timeout} * ${COPPICE_TEST_SLOWNESS}")
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${_seconds}
    LABELS "${labels}"
    SKIP_RETURN_CODE 77
    ENVIRONMENT "${COPPICE_TEST_ENVIRONMENT}")
  if(serial)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# _coppice_check_program(<name> SOURCES a.c ... [LIBS ...] [OPTIONS ...])
#
# A Check program, test-<name> for CMake, linked with the archive so that it
# reaches what the shared library hides.
function(_coppice_check_program name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "" "SOURCES;LIBS;OPTIONS")
  set(_target "test-${name}")
  add_executable(${_target} ${T_SOURCES})
  set_target_properties(${_target} PROPERTIES
    OUTPUT_NAME "${name}"
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/bin"
    ENABLE_EXPORTS ON # backtrace_symbols() names the test's functions
    C_STANDARD 11
    C_EXTENSIONS ON)
  target_compile_options(${_target} PRIVATE ${COPPICE_TEST_OPTIONS}
    ${T_OPTIONS})
  target_link_libraries(${_target} PRIVATE coppice_check coppice_static
    ${T_LIBS})
endfunction()

# One run of the Check program test-<program>, as the test <name>.
function(_coppice_check_test name program)
  add_test(NAME ${name} COMMAND
    "${PROJECT_SOURCE_DIR}/tests/support/run-test"
    --cases ${name} ${COPPICE_RUN_FLAGS} --
    ${COPPICE_TEST_WRAPPER} $<TARGET_FILE:test-${program}>)
endfunction()

# coppice_add_test(<name> SOURCES a.c ... [LIBS ...] [LABELS ...]
#                  [OPTIONS ...] [TIMEOUT seconds] [SERIAL])
#
# A Check program that is a test. Without TIMEOUT it may run for 60 seconds;
# slow builds get a multiple of it. SERIAL: nothing else runs beside it.
function(coppice_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "SERIAL" "TIMEOUT"
    "SOURCES;LIBS;LABELS;OPTIONS")
  if(T_UNPARSED_ARGUMENTS OR NOT T_SOURCES)
    message(FATAL_ERROR "coppice_add_test(${name}): bad arguments")
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  _coppice_check_program(${name} SOURCES ${T_SOURCES} LIBS ${T_LIBS}
    OPTIONS ${T_OPTIONS})
  _coppice_check_test(${name} ${name})
  _coppice_test_properties(${name} "${T_LABELS}" ${T_TIMEOUT} "${T_SERIAL}")
endfunction()

# coppice_add_backend_tests(<name> SOURCES a.c ... [LABELS ...]
#                           [TIMEOUT seconds])
#
# A Check program that is a test <name>.<backend> for each reactor of the build,
# chosen by COPPICE_BACKEND in the environment; CO_TEST_BACKENDS in the program
# is the list of all.
function(coppice_add_backend_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "TIMEOUT" "SOURCES;LABELS")
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  list(JOIN COPPICE_BACKENDS " " _backends)
  _coppice_check_program(${name} SOURCES ${T_SOURCES}
    OPTIONS "-DCO_TEST_BACKENDS=\"${_backends}\"")
  # valgrind lets no other thread and no signal handler run while one waits in
  # io_uring_enter, which it does not know to block.
  set(_backends ${COPPICE_BACKENDS})
  if(COPPICE_MEMCHECK)
    list(REMOVE_ITEM _backends io_uring)
  endif()
  foreach(_backend IN LISTS _backends)
    _coppice_check_test(${name}.${_backend} ${name})
    _coppice_test_properties(${name}.${_backend} "${T_LABELS}" ${T_TIMEOUT} "")
    set_property(TEST ${name}.${_backend} APPEND PROPERTY ENVIRONMENT
      "COPPICE_BACKEND=${_backend}")
  endforeach()
endfunction()

# coppice_add_script_test(<name> COMMAND ... [LABELS ...] [TIMEOUT seconds]
#                         [SERIAL])
#
# Any other command: it counts as one test. Status 77 means skipped.
function(coppice_add_script_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "SERIAL" "TIMEOUT" "COMMAND;LABELS")
  if(T_UNPARSED_ARGUMENTS OR NOT T_COMMAND)
    message(FATAL_ERROR "coppice_add_script_test(${name}): bad arguments")
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  add_test(NAME ${name} COMMAND ${T_COMMAND})
  _coppice_test_properties(${name} "${T_LABELS}" ${T_TIMEOUT} "${T_SERIAL}")
endfunction()

# coppice_add_program_test(<name> PROGRAM <target> [ARGS ...] ...)
#
# A program of ours that is no Check test (an example): status 0 is success.
function(coppice_add_program_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "SERIAL" "PROGRAM;TIMEOUT"
    "ARGS;LABELS")
  if(T_UNPARSED_ARGUMENTS OR NOT T_PROGRAM)
    message(FATAL_ERROR "coppice_add_program_test(${name}): bad arguments")
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  add_test(NAME ${name} COMMAND
    "${PROJECT_SOURCE_DIR}/tests/support/run-test" ${COPPICE_RUN_FLAGS} --
    ${COPPICE_TEST_WRAPPER} $<TARGET_FILE:${T_PROGRAM}> ${T_ARGS})
  _coppice_test_properties(${name} "${T_LABELS}" ${T_TIMEOUT} "${T_SERIAL}")
endfunction()

# coppice_add_tests_of(<folder> <layer> [LIBS ...])
#
# Every test_*.c of a folder, each a program and a test <layer>.<file>.
function(coppice_add_tests_of folder layer)
  cmake_parse_arguments(PARSE_ARGV 2 O "" "" "LIBS")
  file(GLOB _files CONFIGURE_DEPENDS "${folder}/test_*.c")
  foreach(_file IN LISTS _files)
    get_filename_component(_name "${_file}" NAME_WE)
    string(REGEX REPLACE "^test_" "" _name "${_name}")
    set(_arguments "")
    file(STRINGS "${_file}" _line REGEX "^/\\* ctest: .* \\*/$" LIMIT_COUNT 1)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${_file}")
    if(_line MATCHES "timeout=([0-9]+)")
      list(APPEND _arguments TIMEOUT "${CMAKE_MATCH_1}")
    endif()
    if(_line MATCHES "labels=([a-z,]+)")
      string(REPLACE "," ";" _labels "${CMAKE_MATCH_1}")
      list(APPEND _arguments LABELS ${_labels})
    endif()
    if(_line MATCHES "[ :]serial ")
      list(APPEND _arguments SERIAL)
    endif()
    coppice_add_test(${layer}.${_name} SOURCES "${_file}"
      LIBS ${O_LIBS} ${_arguments})
  endforeach()
endfunction()
