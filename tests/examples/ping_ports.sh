#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The port of the echo server is open, and port 1 is not.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

start_server echo_server 0
port=${address##*:}
run ping_ports 127.0.0.1 "$port" 1 no-such-port >"$work/out" || die "it failed"
printf '%s open\n1 ECONNREFUSED\nno-such-port EINVAL\n' "$port" >"$work/wanted"
cmp -s "$work/wanted" "$work/out" || die "it said something else"
