# SPDX-License-Identifier: MIT
#
# One way of using Coppice, from nothing to a program that ran. The tests'
# CMakeLists.txt says what it is given.

cmake_minimum_required(VERSION 3.22)

string(REPLACE "," ";" LANGUAGES "${LANGUAGES}")
string(REPLACE "," ";" EMULATOR "${EMULATOR}")
set(HERE "${SOURCE}/tests/consumer")
set(PREFIX "${SCRATCH}/prefix")
# Warnings in our headers are the user's warnings.
set(STRICT -Wall -Wextra -Wpedantic -Wshadow -Werror)
# The suite may run under a debugger's or a sanitizer's flags; a user does not.
unset(ENV{DESTDIR})

file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " text)
    message(FATAL_ERROR "status ${status}: ${text}")
  endif()
endfunction()

# A program that ran says so: its status alone could come from anywhere.
function(run_program)
  execute_process(COMMAND ${EMULATOR} ${ARGN} RESULT_VARIABLE status
    OUTPUT_VARIABLE text)
  if(NOT status EQUAL 0 OR NOT text MATCHES "^coppice [0-9.]+ gave 42\n$")
    message(FATAL_ERROR "status ${status}, said '${text}': ${ARGN}")
  endif()
  message(STATUS "ran ${ARGN}")
endfunction()

function(install_coppice)
  run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${PREFIX}")
  # Used from the place where it is now, not from where it was installed.
  file(RENAME "${PREFIX}" "${SCRATCH}/moved")
  set(PREFIX "${SCRATCH}/moved" PARENT_SCOPE)
endfunction()

function(build_with_cmake project)
  execute_process(COMMAND "${CMAKE_COMMAND}" -S "${HERE}/${project}"
    -B "${SCRATCH}/build" "-DCMAKE_C_COMPILER=${C_COMPILER}"
    -G "${GENERATOR}" "-DCONSUMER_STRICT=${STRICT}"
    "-DCONSUMER_SHARED=${SHARED}" "-DCONSUMER_TLS=${TLS}"
    "-DCONSUMER_HOOK=${HOOK}"
    "-DCONSUMER_LANGUAGES=${LANGUAGES}"
    "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}"
    "-DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN}" ${ARGN}
    RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "cannot configure ${project}")
  endif()
  run("${CMAKE_COMMAND}" --build "${SCRATCH}/build")
  file(GLOB programs "${SCRATCH}/build/bin/*")
  list(LENGTH programs count)
  if(count EQUAL 0)
    message(FATAL_ERROR "${project} built no program")
  endif()
  foreach(program IN LISTS programs)
    run_program("${program}")
  endforeach()
endfunction()

function(build_with_pkg_config)
  set(ENV{PKG_CONFIG_PATH} "${PREFIX}/${LIBDIR}/pkgconfig")
  foreach(linkage shared static)
    if(linkage STREQUAL "shared" AND NOT SHARED)
      continue()
    endif()
    set(static_flag "")
    if(linkage STREQUAL "static")
      set(static_flag --static)
    endif()
    execute_process(COMMAND "${PKG_CONFIG}" ${static_flag} --cflags --libs
      coppice OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
      COMMAND_ERROR_IS_FATAL ANY)
    separate_arguments(flags UNIX_COMMAND "${flags}")
    if(linkage STREQUAL "static")
      list(TRANSFORM flags REPLACE "^-lcoppice$" "-l:libcoppice.a")
    endif()
    set(rpath "-Wl,-rpath,${PREFIX}/${LIBDIR}")

    run("${C_COMPILER}" -std=c11 ${STRICT} "${HERE}/program.c"
      -o "${SCRATCH}/c11-${linkage}" ${flags} ${rpath})
    run_program("${SCRATCH}/c11-${linkage}")
    if("CXX" IN_LIST LANGUAGES)
      run("${CXX_COMPILER}" -std=c++20 ${STRICT} "${HERE}/program.cc"
        -o "${SCRATCH}/cxx20-${linkage}" ${flags} ${rpath})
      run_program("${SCRATCH}/cxx20-${linkage}")
    endif()
  endforeach()
endfunction()

# The shared library alone: an archive's order on the command line is no news.
function(build_other_with_pkg_config other)
  set(ENV{PKG_CONFIG_PATH} "${PREFIX}/${LIBDIR}/pkgconfig")
  execute_process(COMMAND "${PKG_CONFIG}" --cflags --libs coppice-${other}
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
    COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run("${C_COMPILER}" -std=c11 ${STRICT} "${HERE}/program_${other}.c"
    -o "${SCRATCH}/c11-${other}" ${flags} "-Wl,-rpath,${PREFIX}/${LIBDIR}")
  run_program("${SCRATCH}/c11-${other}")
endfunction()

if(WAY STREQUAL "find_package")
  install_coppice()
  build_with_cmake(find_package "-DCMAKE_PREFIX_PATH=${PREFIX}")
elseif(WAY STREQUAL "add_subdirectory")
  build_with_cmake(add_subdirectory "-DCOPPICE_SOURCE=${SOURCE}")
elseif(WAY STREQUAL "pkg_config")
  install_coppice()
  build_with_pkg_config()
  if(TLS AND SHARED)
    build_other_with_pkg_config(tls)
  endif()
  if(HOOK AND SHARED)
    build_other_with_pkg_config(hook)
    if(NOT EMULATOR) # which would be hooked as well
      run_program("${PREFIX}/bin/coppice-run" "${SCRATCH}/c11-shared")
    endif()
  endif()
else()
  message(FATAL_ERROR "no way is called '${WAY}'")
endif()
