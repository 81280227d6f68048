#!/bin/sh
# SPDX-License-Identifier: MIT
#
# process_pipeline counts words by three programs that it joins.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

expect process_pipeline "ash 2
hazel 1
oak 3"
