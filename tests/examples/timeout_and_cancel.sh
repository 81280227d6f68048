#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A limit that runs out, one that does not, a cancel, and a shield.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

expect timeout_and_cancel 'limit of 150 ms: ETIMEDOUT, it ran out
limit of 60000 ms: OK
worker: ECANCELED
worker: cleaned up, OK
worker ended with ECANCELED'
