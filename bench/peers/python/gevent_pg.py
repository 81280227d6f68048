# SPDX-License-Identifier: MIT
"""psycopg2 in greenlets: "gevent_pg.py ROW DIVISOR SERVER"."""

import sys
import time

import gevent
import psycopg2
from psycogreen.gevent import patch_psycopg

from common import cpu_ns, report, scaled

CLIENTS = 64
QUERIES = 60000


class Client:
    """A connection, and so many queries on it as are left for it."""

    left = 0

    def __init__(self, server):
        self.server = server

    def open(self):
        connection = psycopg2.connect(self.server)
        connection.autocommit = True
        self.cursor = connection.cursor()

    def run(self):
        execute, fetch = self.cursor.execute, self.cursor.fetchone
        while Client.left > 0:
            Client.left -= 1
            execute("SELECT 1")
            if fetch() != (1,):
                raise ValueError("that is not 1")


def all_of(calls):
    gevent.joinall([gevent.spawn(call) for call in calls], raise_error=True)


def main(row, server):
    clock = time.monotonic_ns if row.endswith("_wall") else cpu_ns
    patch_psycopg()
    clients = [Client(server) for _ in range(CLIENTS)]
    all_of(client.open for client in clients)
    total = scaled(QUERIES, QUERIES // 10)
    Client.left = total // 10
    all_of(client.run for client in clients)
    Client.left = total
    start = clock()
    all_of(client.run for client in clients)
    report((clock() - start) / total)


main(sys.argv[1], sys.argv[3])
