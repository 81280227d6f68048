#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The echo server answers through the proxy.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

start_server echo_server 0
echo_server=$server
trap 'stop_server; kill "$echo_server" 2>/dev/null; rm -rf "$work"' EXIT
rm "$work/server.out"

start_server tcp_proxy 0 "tcp://$address"
for i in 1 2 3; do
    run echo_client "$address" one "client-$i" >"$work/client" ||
        die "a client failed"
    printf 'one\nclient-%d\n' "$i" >"$work/wanted"
    cmp -s "$work/wanted" "$work/client" || die "other words came back"
done
kill -0 "$server" || die "the proxy ended"
