# SPDX-License-Identifier: MIT
#
# Debian's cross compiler, the programs run by qemu's user mode.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)
find_program(COPPICE_AARCH64_CXX aarch64-linux-gnu-g++)
if(COPPICE_AARCH64_CXX)
  set(CMAKE_CXX_COMPILER "${COPPICE_AARCH64_CXX}")
endif()

# No -L: with libc6:arm64 installed the loader and libc are found at their
# usual places; a second libc under another root would mix with them.
# -cpu max: pointer authentication and BTI are real there.
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64-static;-cpu;max")

set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR}
  "/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig")
