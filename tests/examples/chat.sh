#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Two guests: the one reads what the other says, and that it has left.

set -eu
# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

start_server chat 0
python3 - "${address##*:}" <<'EOF' || die "the guests did not understand each other"
import socket
import sys


def enter(name):
    guest = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
    guest.settimeout(30)
    guest.sendall(name.encode() + b"\n")
    hears = guest.makefile()
    assert hears.readline() == f"welcome, {name}\n"
    return guest, hears


ann, hears_ann = enter("ann")
bob, hears_bob = enter("bob")
assert hears_ann.readline() == "bob is here\n"
bob.sendall(b"hello\r\n")
assert hears_ann.readline() == "bob: hello\n"
ann.sendall(b"hi bob\n")
assert hears_bob.readline() == "ann: hi bob\n"
bob.close()
hears_bob.close()
assert hears_ann.readline() == "bob has left\n"
EOF
kill -0 "$server" || die "the room ended"
