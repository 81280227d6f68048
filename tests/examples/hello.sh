#!/bin/sh
# SPDX-License-Identifier: MIT
#
# hello says its word, and not before a second has passed.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

before=$(date +%s%N)
expect hello hello
after=$(date +%s%N)
[ $((after - before)) -ge 1000000000 ] || die "hello was early"
