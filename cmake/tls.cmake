# SPDX-License-Identifier: MIT
#
# libcoppice-tls: the targets coppice_tls (shared, if wanted) and
# coppice_tls_static, where there is OpenSSL 3. Sets COPPICE_HAVE_TLS, and COPPICE_TLS_SOURCES.
#
# OpenSSL is linked by its plain names, as liburing is. Of systems, Linux alone:
# others lack some of the error numbers.

set(COPPICE_HAVE_TLS FALSE)
set(COPPICE_TLS_SOURCES "")
if(COPPICE_TLS AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
  include(CheckSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES ssl crypto)
  check_source_compiles(C "
    #include <openssl/ssl.h>
    #if OPENSSL_VERSION_MAJOR < 3
    #error too old
    #endif
    int main(void)
    {
        return SSL_CTX_new(TLS_method()) == NULL;
    }" COPPICE_OPENSSL_LINKS)
  unset(CMAKE_REQUIRED_LIBRARIES)
  set(COPPICE_HAVE_TLS "${COPPICE_OPENSSL_LINKS}")
endif()
if(NOT COPPICE_HAVE_TLS)
  if(COPPICE_TLS AND NOT COPPICE_TLS STREQUAL "AUTO")
    message(FATAL_ERROR "COPPICE_TLS is ${COPPICE_TLS}, but OpenSSL 3 was not "
      "found")
  endif()
  list(FILTER COPPICE_PUBLIC_HEADERS EXCLUDE REGEX "/tls(_dial)?\\.h$")
  return()
endif()

file(GLOB COPPICE_TLS_SOURCES CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/src/tls/*.c")

add_library(coppice_tls_objects OBJECT ${COPPICE_TLS_SOURCES})
_coppice_object_properties(coppice_tls_objects)

function(_coppice_tls_library target type core)
  add_library(${target} ${type} $<TARGET_OBJECTS:coppice_tls_objects>)
  string(REPLACE "coppice_" "" _name "${target}")
  add_library(coppice::${_name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME coppice-tls
    EXPORT_NAME ${_name}
    LINKER_LANGUAGE C)
  target_link_libraries(${target} PUBLIC ${core} PRIVATE ssl crypto)
endfunction()

_coppice_tls_library(coppice_tls_static STATIC coppice_static)
if(COPPICE_BUILD_SHARED)
  _coppice_tls_library(coppice_tls SHARED coppice)
  _coppice_shared_properties(coppice_tls
    "${PROJECT_SOURCE_DIR}/src/coppice-tls.map")
else()
  add_library(coppice_tls INTERFACE)
  add_library(coppice::tls ALIAS coppice_tls)
  set_target_properties(coppice_tls PROPERTIES EXPORT_NAME tls)
  target_link_libraries(coppice_tls INTERFACE coppice_tls_static)
endif()
