#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The echo server gives back what each of several clients says.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

start_server echo_server 0

clients=
for i in 1 2 3 4 5; do
    run echo_client "$address" one "client-$i" three \
        >"$work/client-$i" 2>"$work/errors-$i" &
    clients="$clients $!"
done
for client in $clients; do
    wait "$client" || die "a client failed"
done
for i in 1 2 3 4 5; do
    printf 'one\nclient-%d\nthree\n' "$i" >"$work/wanted"
    cmp -s "$work/wanted" "$work/client-$i" || die "client $i got other words"
done
kill -0 "$server" || die "the server ended"
