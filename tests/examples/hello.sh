#!/bin/sh
# SPDX-License-Identifier: MIT
#
# hello says its words, and not before a second has passed.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

before=$(date +%s%N)
run hello >"$work/out" || die "hello failed"
after=$(date +%s%N)
[ -s "$work/out" ] || die "hello said nothing"
[ $((after - before)) -ge 1000000000 ] || die "hello was early"
