# SPDX-License-Identifier: MIT
#
# The user's programs: each library in each language.

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(libraries coppice coppice_static)
foreach(library IN LISTS libraries)
  add_executable(c11-${library} "${CMAKE_CURRENT_LIST_DIR}/program.c")
  set_target_properties(c11-${library} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  set(targets c11-${library})
  if("CXX" IN_LIST CONSUMER_LANGUAGES)
    add_executable(cxx20-${library} "${CMAKE_CURRENT_LIST_DIR}/program.cc")
    set_target_properties(cxx20-${library} PROPERTIES
      CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
    list(APPEND targets cxx20-${library})
  endif()
  foreach(target IN LISTS targets)
    target_compile_options(${target} PRIVATE ${CONSUMER_STRICT})
    target_link_libraries(${target} PRIVATE coppice::${library})
  endforeach()
endforeach()

set(others "")
if(CONSUMER_TLS)
  list(APPEND others tls)
endif()
if(CONSUMER_HOOK)
  list(APPEND others hook)
endif()
foreach(other IN LISTS others)
  foreach(library IN ITEMS ${other} ${other}_static)
    add_executable(c11-${library}
      "${CMAKE_CURRENT_LIST_DIR}/program_${other}.c")
    target_compile_options(c11-${library} PRIVATE ${CONSUMER_STRICT})
    target_link_libraries(c11-${library} PRIVATE coppice::${library})
  endforeach()
endforeach()
