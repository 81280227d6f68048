#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tidy.sh CLANG_TIDY BUILD_DIR FILE... - clang-tidy over the library's sources.

set -eu

clang_tidy=$1
build=$2
shift 2

printf '%s\n' "$@" | grep '\.c$' |
    xargs -n 4 -P "$(nproc)" "$clang_tidy" --quiet -p "$build"
