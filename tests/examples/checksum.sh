#!/bin/sh
# SPDX-License-Identifier: MIT
#
# checksum agrees with cksum(1), of many files and of none, and names the file
# that it cannot read.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir "$work/files"
: >"$work/files/empty"
printf 'x' >"$work/files/byte"
head -c 65536 /dev/zero >"$work/files/chunk"
number=1
while [ "$number" -le 20 ]; do
    seq "$number" $((number * 1000)) >"$work/files/$number"
    number=$((number + 1))
done

run checksum "$work"/files/* >"$work/out" || die "checksum failed"
cksum "$work"/files/* >"$work/wanted"
cmp -s "$work/wanted" "$work/out" || die "checksum said something else"

run checksum >"$work/out" || die "checksum failed without files"
[ ! -s "$work/out" ] || die "checksum said something without files"

if run checksum "$work/files/byte" "$work/none" >"$work/out" 2>"$work/err"; then
    die "a missing file is no failure"
fi
grep -q "none: No such file" "$work/err" || die "the missing file is not named"
[ ! -s "$work/out" ] || die "sums were printed though one is missing"
