#!/bin/sh
# SPDX-License-Identifier: MIT
#
# process_pipeline counts words by three programs that it joins.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

# No process can be watched before Linux 5.3, nor under valgrind 3.19.
run process_pipeline >"$work/out" 2>"$work/err" ||
    ! grep -q ENOSYS "$work/err" || exit 77
expect process_pipeline "ash 2
hazel 1
oak 3"
