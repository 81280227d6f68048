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

# Assembly that calls itself a header is not C.
files() {
    for folder in include src arch tests bench examples; do
        [ ! -d "$folder" ] || find "$folder" -name '*.[ch]' \
            ! -path arch/asm.h -print0
    done
}

case $mode in
--write)
    files | xargs -0 -r "$clang_format" --style=file -i
    ;;
--check)
    # Its own messages are a screen for each file: the names will do.
    messages=$(files |
        xargs -0 -r "$clang_format" --style=file --dry-run -Werror 2>&1) || {
        echo "$messages" | sed -n 's/:[0-9]*:[0-9]*: error: .*//p' | sort -u
        echo "lay them out: cmake --build --preset dev --target format"
        exit 1
    }
    ;;
*) exit 2 ;;
esac
