# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# For the tests of examples. $programs is their folder, and $RUN
# what goes before each (an emulator, valgrind); both may not contain spaces
# of their own.

programs=$1
work=$(mktemp -d)
server=
trap 'stop_server; rm -rf "$work"' EXIT

die() {
    echo "$*" >&2
    cat "$work"/* >&2 2>/dev/null
    exit 1
}

run() { # program argument...
    name=$1
    shift
    # shellcheck disable=SC2086
    ${RUN:-} "$programs/$name" "$@"
}

# Run a program to its end: it succeeds and says just this.
expect() { # program text
    run "$1" >"$work/out" || die "$1 failed"
    printf '%s\n' "$2" >"$work/wanted"
    cmp -s "$work/wanted" "$work/out" || die "$1 said something else"
}

# Start a server, and set $address when it has told it. It picks the port.
start_server() { # program argument...
    name=$1
    shift
    # In the background of this very shell, so that $! is the program.
    # shellcheck disable=SC2086
    ${RUN:-} "$programs/$name" "$@" >"$work/server.out" 2>"$work/server.err" &
    server=$!
    address=
    tries=0
    while [ -z "$address" ]; do
        kill -0 "$server" 2>/dev/null || die "$name ended"
        [ "$tries" -lt 600 ] || die "$name does not say where it listens"
        tries=$((tries + 1))
        sleep 0.1
        address=$(sed -n 's/^listening on //p' "$work/server.out")
    done
}

stop_server() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
