#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The echo client says what went wrong where nobody listens, and talks where
# somebody does.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

start_server echo_server 0
said=$(run echo_client "$address" hello world) || die "the client failed"
[ "$said" = "hello
world" ] || die "the client said: $said"

nobody=$address
stop_server
# An io_uring's sockets are closed a moment after its process has ended.
tries=0
while :; do
    status=0
    run echo_client "$nobody" hello >"$work/out" 2>"$work/err" || status=$?
    [ "$status" -eq 1 ] || die "status $status where nobody listens"
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] && grep -q ECONNRESET "$work/err" || break
done
grep -q ECONNREFUSED "$work/err" || die "the client does not say why"

status=0
run echo_client >"$work/out" 2>"$work/err" || status=$?
[ "$status" -eq 2 ] || die "status $status without an address"
grep -q '^usage: ' "$work/err" || die "no usage"
