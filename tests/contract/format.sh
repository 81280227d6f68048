#!/bin/sh
# SPDX-License-Identifier: MIT
#
# format.sh ROOT CLANG_FORMAT --check | --write
#
# Is every C file laid out as .clang-format says? --write makes it so.

set -eu

root=$1
clang_format=$2
mode=$3

case $("$clang_format" --version) in
*'version 14.'*) ;;
*)
    echo "skipped: the tree is laid out by clang-format 14, this is" \
        "$("$clang_format" --version)"
    exit 77
    ;;
esac

cd "$root"
case $mode in
--check) set -- --dry-run -Werror ;;
--write) set -- -i ;;
*) exit 2 ;;
esac
# Assembly that calls itself a header is not C.
files() {
    find include src arch tests bench examples -name '*.[ch]' \
        ! -path arch/asm.h -print0 2>/dev/null
}

if ! complaints=$(files | xargs -0 -r -n 8 -P 4 \
    "$clang_format" --style=file "$@" 2>&1); then
    printf '%s\n' "$complaints" | grep error: | cut -d: -f1 | sort | uniq -c
    echo "lay them out: cmake --build --preset dev --target format"
    exit 1
fi
