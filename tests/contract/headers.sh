#!/bin/sh
# SPDX-License-Identifier: MIT
#
# headers.sh ROOT COMPILER LANGUAGE STANDARD
#
# Every public header compiles by itself, and twice in one file, with no
# extension of the language switched on and every warning an error.

set -eu

root=$1
compiler=$2
language=$3
standard=$4

status=0
count=0
for header in "$root"/include/coppice.h "$root"/include/coppice/*.h; do
    name=${header#"$root"/include/}
    count=$((count + 1))
    printf '#include <%s>\n#include <%s>\nint coppice_alone;\n' \
        "$name" "$name" |
        "$compiler" -x "$language" -std="$standard" -Wall -Wextra -Wpedantic \
            -Wshadow -Werror -fsyntax-only -I"$root/include" - || {
        echo "<$name> does not stand alone in $standard"
        status=1
    }
done
echo "$count headers in $standard"
[ "$count" -gt 1 ] || status=1
exit "$status"
