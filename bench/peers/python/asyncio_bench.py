# SPDX-License-Identifier: MIT
"""asyncio: "asyncio_bench.py ROW [DIVISOR]" or "asyncio_bench.py echo PORT",
or "asyncio_bench.py udp PORT", or "... line PORT"."""

import asyncio
import sys

from common import (BATCH, allow_descriptors, cpu_ns, memory_bytes, report,
                    row_number, scaled, sleep_seconds)
from asyncio_sync import ROWS


async def yields(tasks):
    total = scaled(500000, 3 * tasks)
    left = total

    async def body():
        nonlocal left
        while left > 0:
            left -= 1
            await asyncio.sleep(0)

    all_tasks = [asyncio.create_task(body()) for _ in range(tasks)]
    await asyncio.sleep(0)  # all have begun
    left = total
    start = cpu_ns()
    await asyncio.gather(*all_tasks)
    return (cpu_ns() - start) / total


async def nothing():
    pass


async def spawn_join():
    n = scaled(200000, 20000)
    start = cpu_ns()
    for _ in range(n):
        await asyncio.create_task(nothing())
    return (cpu_ns() - start) / n


async def spawn_batch():
    n = scaled(200000, 20000)
    start = cpu_ns()
    for _ in range(n // BATCH):
        tasks = [asyncio.create_task(nothing()) for _ in range(BATCH)]
        for task in tasks:
            await task
    return (cpu_ns() - start) / n


async def parked(tasks):
    never = asyncio.Event()
    keep = []
    before = memory_bytes()
    for _ in range(tasks):
        keep.append(asyncio.create_task(never.wait()))
    await asyncio.sleep(0)
    return (memory_bytes() - before) / tasks


async def timers(tasks):
    async def sleeper():
        await gate.wait()
        await asyncio.sleep(sleep_seconds())

    gate = asyncio.Event()
    all_tasks = [asyncio.create_task(sleeper()) for _ in range(tasks)]
    await asyncio.sleep(0)
    start = cpu_ns()
    gate.set()
    for task in all_tasks:
        await task
    return (cpu_ns() - start) / tasks


async def timeout_scope():
    n = scaled(100000, 20000)
    start = cpu_ns()
    for _ in range(n):
        async with asyncio.timeout(1):
            work()
    return (cpu_ns() - start) / n


def work():
    pass


class Echo(asyncio.Protocol):
    """The push style, which is faster than streams."""

    def connection_made(self, transport):
        self.write = transport.write

    def data_received(self, data):
        self.write(data)


async def echo(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def udp(port):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", port))
    await loop.create_future()


async def talk(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(line)
    except ConnectionError:
        pass
    writer.close()


async def line(port):
    server = await asyncio.start_server(talk, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


async def main(row):
    if row == "echo":
        allow_descriptors()
        await echo(int(sys.argv[2]))
    elif row == "udp":
        await udp(int(sys.argv[2]))
    elif row == "line":
        await line(int(sys.argv[2]))
    elif row.startswith("yield"):
        report(await yields(row_number(row)))
    elif row.startswith("memory"):
        report(await parked(row_number(row)))
    elif row.startswith("timers"):
        report(await timers(row_number(row)))
    else:
        rows = {"spawn_join": spawn_join, "spawn_batch": spawn_batch,
                "timeout_scope": timeout_scope, **ROWS}
        report(await rows[row]())


asyncio.run(main(sys.argv[1]))
