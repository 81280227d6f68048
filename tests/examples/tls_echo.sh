#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The echo server of TLS gives back what s_client says, also with another
# certificate, which it loads when it is told to.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

command -v openssl >/dev/null || exit 77

certificate() { # name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 2 -subj "/CN=$1" -keyout "$work/key" -out "$work/cert" \
        2>/dev/null || die "no certificate"
    cat "$work/key" "$work/cert" >"$work/both.new"
    mv "$work/both.new" "$work/both"
}

until_line() { # line file
    tries=0
    until grep -qxF "$1" "$2"; do
        [ "$tries" -lt 600 ] || die "no line: $1"
        tries=$((tries + 1))
        sleep 0.1
    done
}

talk() { # word name
    # s_client hangs up when there is no more to say, answer or not.
    mkfifo "$work/in"
    openssl s_client -connect "$address" -CAfile "$work/cert" \
        -verify_return_error <"$work/in" >"$work/said" 2>&1 &
    client=$!
    exec 3>"$work/in"
    rm "$work/in"
    echo "$1" >&3
    until_line "$1" "$work/said"
    exec 3>&-
    wait "$client" || die "$1 failed"
    grep -q "CN = $2" "$work/said" || die "another certificate than $2"
}

certificate first
start_server tls_echo "$work/both" 0
talk hello first
certificate second
kill -HUP "$server"
until_line "loaded $work/both again" "$work/server.out"
talk again second
kill -0 "$server" || die "the server ended"
