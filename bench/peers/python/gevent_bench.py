# SPDX-License-Identifier: MIT
"""gevent: "gevent_bench.py ROW [DIVISOR]" or "gevent_bench.py echo PORT"."""

import sys

import gevent
from gevent.event import Event
from gevent.server import StreamServer

from common import (BATCH, allow_descriptors, cpu_ns, memory_bytes, report,
                    row_number, scaled, sleep_seconds)
from gevent_sync import ROWS


def yields(tasks):
    total = scaled(300000, 3 * tasks)
    left = total

    def body():
        nonlocal left
        while left > 0:
            left -= 1
            gevent.sleep(0)

    greenlets = [gevent.spawn(body) for _ in range(tasks)]
    gevent.sleep(0)  # all have begun
    left = total
    start = cpu_ns()
    gevent.joinall(greenlets)
    return (cpu_ns() - start) / total


def nothing():
    pass


def spawn_join():
    n = scaled(50000, 10000)
    start = cpu_ns()
    for _ in range(n):
        gevent.spawn(nothing).join()
    return (cpu_ns() - start) / n


def spawn_batch():
    n = scaled(50000, 10000)
    start = cpu_ns()
    for _ in range(n // BATCH):
        gevent.joinall([gevent.spawn(nothing) for _ in range(BATCH)])
    return (cpu_ns() - start) / n


def parked(tasks):
    never = Event()
    keep = []
    before = memory_bytes()
    for _ in range(tasks):
        keep.append(gevent.spawn(never.wait))
    gevent.sleep(0)
    return (memory_bytes() - before) / tasks


def timers(tasks):
    def sleeper():
        gate.wait()
        gevent.sleep(sleep_seconds())

    gate = Event()
    greenlets = [gevent.spawn(sleeper) for _ in range(tasks)]
    gevent.sleep(0)
    start = cpu_ns()
    gate.set()
    for greenlet in greenlets:
        greenlet.join()
    return (cpu_ns() - start) / tasks


def timeout_scope():
    n = scaled(100000, 20000)
    start = cpu_ns()
    for _ in range(n):
        with gevent.Timeout(1):
            nothing()
    return (cpu_ns() - start) / n


def serve(connection, _):
    while True:
        data = connection.recv(16384)
        if not data:
            return
        connection.sendall(data)


def echo(port):
    allow_descriptors()
    StreamServer(("127.0.0.1", port), serve, backlog=4096).serve_forever()


def main(row):
    if row == "echo":
        echo(int(sys.argv[2]))
    elif row.startswith("yield"):
        report(yields(row_number(row)))
    elif row.startswith("memory"):
        report(parked(row_number(row)))
    elif row.startswith("timers"):
        report(timers(row_number(row)))
    else:
        rows = {"spawn_join": spawn_join, "spawn_batch": spawn_batch,
                "timeout_scope": timeout_scope, **ROWS}
        report(rows[row]())


main(sys.argv[1])
