#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Two tasks take turns, always in the same order, and both are heard.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

# How long it took is not judged where everything is slow.
run two_tasks >"$work/out" || die "two_tasks failed"
sed -i 's/ side by side$//; s/ one after the other$//' "$work/out"
printf '%s\n' 'tick 1' 'tock 1' 'tick 2' 'tock 2' 'tick 3' 'tock 3' \
    '6 sounds' >"$work/wanted"
cmp -s "$work/wanted" "$work/out" || die "two_tasks said something else"
