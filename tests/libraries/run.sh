#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh LIBRARY PROGRAMS DATA
#
# A hundred tasks on one thread make a call each that the server answers after
# 100 ms. All answers are right, and all are there in less than half of the ten
# seconds that one after another cannot be faster than: far from both, so that
# a busy machine does not matter; what took longer is tried again, twice, lest it
# was the machine. LIBRARY one_of_each: all of them at once, TASKS of each, for
# LASTS seconds (2), in which no call on a descriptor blocks the thread.

set -euo pipefail

library=$1
programs=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib/servers.sh
. "$root/scripts/lib/servers.sh"

die() {
    echo "$*" >&2
    exit 1
}

trap 'exit 143' TERM
trap 'exit 130' INT
servers_begin "$3" "$programs"
trap servers_stop EXIT

# 77 from here: nothing is wrong, but something is not there.
start() { # library
    local status=0
    program=$programs/${program_of[$1]}
    [ -x "$program" ] || {
        echo "$1 is not installed"
        return 77
    }
    servers_start "$1" || status=$?
    case $status in
    0) return 0 ;;
    1)
        echo "$1: there is no $servers_missing here"
        return 77
        ;;
    *) die "no server for $1" ;;
    esac
}

check() { # server
    local line ms _
    for _ in 1 2 3; do
        # shellcheck disable=SC2086
        line=$(servers_with_names ${RUN:-} "$program" "$1" 100) ||
            die "$library failed: $line"
        echo "$line"
        [[ $line =~ ^$library\ 100/100\ ([0-9]+)\ ms, ]] ||
            die "not all are right"
        ms=${BASH_REMATCH[1]}
        [ "$ms" -ge 95 ] || die "the server has not taken its time"
        [ "$ms" -ge 5000 ] || return 0
    done
    die "no faster than one after another"
}

if [ "$library" != one_of_each ]; then
    start "$library"
    check "${server_of[$library]}"
    [ -z "${tls_server_of[$library]:-}" ] || check "${tls_server_of[$library]}"
    case $library in
    getaddrinfo | libmemcached) ;;
    *)
        [ -z "${LIMITS:-}" ] || "$LIMITS" "$library" "${server_of[$library]}" ||
            die "limits"
        ;;
    esac
    # Programs that know nothing of tasks, with the hooks preloaded.
    if [ -n "${COPPICE_RUN:-}" ]; then
        case $library in
        libpq)
            ! command -v psql >/dev/null ||
                [ "$("$COPPICE_RUN" psql "${server_of[libpq]}" -XAtc \
                    'select 6 * 7')" = 42 ] || die "psql"
            ;;
        hiredis)
            ! command -v redis-cli >/dev/null ||
                [ "$("$COPPICE_RUN" redis-cli -h "${server_of[hiredis]%:*}" \
                    -p "${server_of[hiredis]#*:}" ping)" = PONG ] ||
                die "redis-cli"
            ;;
        esac
    fi
    case $library in
    libpq)
        line=$("$programs/pg_pool" "${server_of[libpq]}" 10 60)
        [[ $line == '60 queries, 10 connections: '* ]] || die "pg_pool: $line"
        ;;
    hiredis)
        line=$("$programs/redis_pubsub" "${server_of[hiredis]%:*}" \
            "${server_of[hiredis]#*:}")
        [ "$line" = '100 subscribers, 3 messages: 300 received' ] ||
            die "redis_pubsub: $line"
        ;;
    esac
    exit 0
fi

arguments=()
for each in "${servers_libraries[@]}"; do
    start "$each" || continue
    arguments+=("$each=${tls_server_of[$each]:-${server_of[$each]}}")
done
[ ${#arguments[@]} -gt 0 ] || exit 77
for _ in 1 2 3; do
    # In the background, so that a signal ends the wait and the trap runs.
    # shellcheck disable=SC2086
    servers_with_names ${RUN:-} "$programs/one_of_each" "${LASTS:-2}" "$TASKS" \
        "${arguments[@]}" >"$servers_run/said" &
    servers_pids+=($!)
    wait $!
    cat "$servers_run/said"
    # Under memcheck threads wait for each other.
    [ -z "${RUN:-}" ] || exit 0
    ! grep -qE '; 0 I/O calls blocked|tasks$' "$servers_run/said" || exit 0
done
die "the thread was blocked"
