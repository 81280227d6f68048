#!/bin/sh
# SPDX-License-Identifier: MIT
#
# workers gets every result, once.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

expect workers 'the sum of 20 squares is 2870'
