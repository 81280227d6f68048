#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each of the three endpoints answers whoever asks.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

start_server http_slow 0

for url in $address; do
    run fetch "$url" >"$work/times" 2>"$work/page" || die "no answer from $url"
    grep -q ': 200, 5 bytes$' "$work/page" || die "not what $url has"
done
