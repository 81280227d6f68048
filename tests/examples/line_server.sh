#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The line server gives back each line in capitals, and ends at "bye".

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

start_server line_server 0

run echo_client "$address" 'one
' 'Two words
three
' >"$work/client" 2>"$work/errors"
printf 'ONE\n\nTWO WORDS\nTHREE\n\n' >"$work/wanted"
cmp -s "$work/wanted" "$work/client" || die "other words came back"
if run echo_client "$address" 'bye
' >"$work/bye" 2>&1; then
    die "it did not hang up"
fi
kill -0 "$server" || die "the server ended"
