#!/bin/sh
# SPDX-License-Identifier: MIT
#
# All that was produced is consumed.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

expect producer_consumer 'the sum is 5000050000'
