#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Three pages: whichever way, all come, and side by side is faster than one by
# one.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

start_server http_slow 100

# shellcheck disable=SC2086
run fetch $address >"$work/times" 2>"$work/pages" || die "fetch failed"
[ "$(grep -c ': 200, 5 bytes$' "$work/pages")" = 3 ] || die "pages are missing"
[ "$(sed 's/ [0-9]* ms$//' "$work/times")" = 'one by one
threads
tasks' ] || die "not the three ways"
ms() { sed -n "s/^$1 \([0-9]*\) ms\$/\1/p" "$work/times"; }
[ "$(ms 'one by one')" -ge 300 ] || die "one by one was faster than the server"
[ "$(ms tasks)" -ge 100 ] || die "tasks were faster than the server"

if run fetch ftp://127.0.0.1/ >"$work/ftp" 2>&1; then
    die "a scheme that it does not know"
fi
grep -q EPROTONOSUPPORT "$work/ftp" || die "it does not say why"
if run fetch http://127.0.0.1:1/ >"$work/nobody" 2>&1; then
    die "nobody listens there"
fi
grep -q ECONNREFUSED "$work/nobody" || die "it does not say why"
