# SPDX-License-Identifier: MIT
"""psycopg2 in greenlets: "gevent_pg.py ROW DIVISOR SERVER"."""

import sys
import time

import gevent
import psycopg2
from psycogreen.gevent import patch_psycopg

from common import cpu_ns, report, scaled

CLIENTS = 64
QUERIES = 20000


class Client:
    """A connection, and so many queries on it as are left for it."""

    left = 0

    def __init__(self, server):
        self.server = server

    def open(self):
        connection = psycopg2.connect(self.server)
        connection.autocommit = True
        self.cursor = connection.cursor()
        self.pid = connection.get_backend_pid()

    def run(self):
        execute, fetch = self.cursor.execute, self.cursor.fetchone
        while Client.left > 0:
            Client.left -= 1
            execute("SELECT 1")
            if fetch() != (1,):
                raise ValueError("that is not 1")


def all_of(calls):
    gevent.joinall([gevent.spawn(call) for call in calls], raise_error=True)


def served_ns(clients):
    """CPU time of the processes that serve them."""
    total = 0
    for client in clients:
        with open("/proc/%d/schedstat" % client.pid) as file:
            total += int(file.read().split()[0])
    return total


def main(row, server):
    clock = time.monotonic_ns if row.endswith("_wall") else cpu_ns
    patch_psycopg()
    clients = [Client(server) for _ in range(CLIENTS)]
    all_of(client.open for client in clients)
    total = scaled(QUERIES, QUERIES // 10)
    Client.left = total // 10
    all_of(client.run for client in clients)
    Client.left = total
    counted = clients if row.endswith("_one_cpu") else []
    served = served_ns(counted)
    start = clock()
    all_of(client.run for client in clients)
    spent = clock() - start
    served = served_ns(counted) - served
    report((spent + served) / total)


main(sys.argv[1], sys.argv[3])
