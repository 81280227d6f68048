#!/bin/sh
# SPDX-License-Identifier: MIT
#
# GLib's callbacks and Coppice's tasks share a thread. Which of two that are
# due comes first is GLib's matter, so the order is not judged.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

run glib_embed >"$work/said" || die "glib_embed failed"
sort "$work/said" >"$work/out"
printf '%s\n' 'coppice 1' 'coppice 2' 'coppice 3' glib >"$work/wanted"
cmp -s "$work/wanted" "$work/out" || die "glib_embed said something else"
