#!/bin/sh
# SPDX-License-Identifier: MIT
#
# generators adds up what it is sent, and chains two ranges.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

expect generators 'total 5
total 12
total 42
1 2 3 10 11 12 '
