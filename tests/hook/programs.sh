#!/bin/bash
# SPDX-License-Identifier: MIT
#
# programs.sh COPPICE_RUN SCRATCH - programs that know nothing of the hooks do
# with them what they do without. What is not installed is left out; status 77
# if nothing is left.
#
# PYTHON_TESTS="test_subprocess test_socket" also runs those of Python's own
# test suite, which take a minute each, and need a Python that has them.

set -euo pipefail

coppice_run=$1
scratch=$2
server=
tried=0

finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

rm -rf "$scratch"
mkdir -p "$scratch/site"
cd "$scratch"
head -c 3000000 /dev/urandom | base64 >site/data
export HOME=$scratch GIT_CONFIG_NOSYSTEM=1

die() {
    echo "programs.sh: $*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null || {
        echo "without $1, which is not installed"
        return 1
    }
}

# The same output, and the same status, with and without.
compare() { # name command...
    local name=$1 plain hooked plain_status=0 hooked_status=0

    shift
    plain=$("$@" 2>&1 | sha256sum) || plain_status=$?
    hooked=$("$coppice_run" "$@" 2>&1 | sha256sum) || hooked_status=$?
    [ "$plain $plain_status" = "$hooked $hooked_status" ] ||
        die "$name is not the same"
    tried=$((tried + 1))
    echo "$name: the same"
}

# ---- a server, itself hooked ---------------------------------------------------

if have python3; then
    cat >serve.py <<'EOF'
import functools
import http.server
import os

server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", 0), functools.partial(
        http.server.SimpleHTTPRequestHandler, directory="site"))
with open("port.new", "w") as port:
    port.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
EOF
    "$coppice_run" python3 serve.py 2>/dev/null &
    server=$!
    while [ ! -e port ]; do
        kill -0 "$server" || die "the server did not start"
        sleep 0.05
    done
    url=http://127.0.0.1:$(cat port)
    if have curl; then
        compare curl curl -sS "$url/data"
        # Without -S, as the message tells how many milliseconds it took.
        compare 'curl, refused' curl -s -w '%{exitcode} %{num_connects}' \
            http://127.0.0.1:1/
    fi
    if have git; then
        git init -q -b main work
        cp site/data work/
        git -C work add data
        git -C work -c user.name=x -c user.email=x@y commit -qm data
        git clone -q --bare work site/work.git
        git -C site/work.git update-server-info
        "$coppice_run" git clone -q "$url/work.git" cloned
        cmp cloned/data site/data || die "git has cloned something else"
        tried=$((tried + 1))
        echo "git clone over http: the same"
    fi
    for test in ${PYTHON_TESTS:-}; do
        if python3 -c "import test.$test" 2>/dev/null; then
            "$coppice_run" python3 -m unittest -q "test.$test"
            tried=$((tried + 1))
        else
            echo "without test.$test, which this Python lacks"
        fi
    done
fi

# ---- pipes ---------------------------------------------------------------------

if have tar && have gzip; then
    compare 'tar | gzip' sh -c \
        'tar -C site --sort=name --mtime=@0 -c data | gzip -n | gzip -dc'
fi
compare 'a shell' sh -c 'seq 100000 | sort -rn | head -n 3 | tr "\n" " "; wait'
compare 'a status' sh -c 'exit 7'

[ "$tried" -gt 0 ] || exit 77
