#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The demo's clients count right, and its last two lines have the form that
# scripts/demo promises. A server that is gone is an error, and not a result.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/../lib.sh"

start_server echo_server 0
port=${address##*:}
run demo_load --server "$server" --port "$port" --connections 300 \
    --messages 5 >"$work/out" || die "demo_load failed"

tail -n 2 "$work/out" | head -n 1 |
    grep -qx 'connections 300  messages 1500  errors 0' ||
    die "not 1500 messages"
figures='messages/s [0-9]*  p50 [0-9]* us  p99 [0-9]* us'
memory='server RSS [0-9.]* MiB  bytes/connection -\{0,1\}[0-9]*'
tail -n 1 "$work/out" | grep -qx "$figures  $memory" ||
    die "the last line has another form"

gone=$server
stop_server
status=0
run demo_load --server "$gone" --port "$port" --connections 3 --messages 1 \
    >"$work/out" 2>&1 || status=$?
[ "$status" -eq 1 ] || die "status $status without a server"
