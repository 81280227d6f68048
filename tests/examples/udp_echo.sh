#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What is said comes back.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

expect udp_echo 'one
two'
