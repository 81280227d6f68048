# SPDX-License-Identifier: MIT
"""asyncio's rows of synchronisation between tasks, and of other threads."""

import asyncio
import time

from common import HELD, cpu_ns, queue_steps, scaled


def _nothing():
    pass


async def _child():
    pass


async def _pingpong(get):
    n = scaled(200000, 20000)
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def echo():
        while True:
            await back.put(await get(there))

    task = asyncio.create_task(echo())
    start = cpu_ns()
    for i in range(n // 2):
        await there.put(i)
        await get(back)
    took = cpu_ns() - start
    task.cancel()
    return took / n


async def chan_pingpong():
    return await _pingpong(asyncio.Queue.get)


async def _get_in_time(queue):
    async with asyncio.timeout(1):
        return await queue.get()


async def wait_with_timeout():
    return await _pingpong(_get_in_time)


async def chan_ring():
    n = scaled(200000, 20000)
    ring = [asyncio.Queue(1) for _ in range(1000)]

    async def hop(source, target):
        while True:
            await target.put(await source.get() - 1)

    tasks = [asyncio.create_task(hop(source, target))
             for source, target in zip(ring[1:], ring[2:] + ring[:1])]
    await asyncio.sleep(0)
    left = n
    start = cpu_ns()
    while left > 0:
        await ring[1].put(left - 1)
        left = await ring[0].get()
    took = cpu_ns() - start
    for task in tasks:
        task.cancel()
    return took / n


async def sem_handoff():
    n = scaled(200000, 20000)
    there, back = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def other():
        while True:
            await there.acquire()
            back.release()

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    start = cpu_ns()
    for _ in range(n // 2):
        there.release()
        await back.acquire()
    took = cpu_ns() - start
    task.cancel()
    return took / n


async def mutex_uncontended():
    n = scaled(1000000, 50000)
    mutex = asyncio.Lock()
    start = cpu_ns()
    for _ in range(n):
        await mutex.acquire()
        mutex.release()
    return (cpu_ns() - start) / n


async def future_resolve_wait():
    n = scaled(100000, 10000)
    loop = asyncio.get_running_loop()
    pending = None

    async def resolver():
        while True:
            pending.set_result(1)
            await asyncio.sleep(0)

    start = cpu_ns()
    for i in range(n):
        pending = loop.create_future()
        if i == 0:
            task = asyncio.create_task(resolver())
        await pending
    took = cpu_ns() - start
    task.cancel()
    return took / n


async def group():
    n = scaled(50000, 10000)
    start = cpu_ns()
    for _ in range(n // 1000):
        async with asyncio.TaskGroup() as children:
            for _ in range(1000):
                children.create_task(_child())
    return (cpu_ns() - start) / n


async def select_four():
    """A task a queue, and a wait for the first of them."""
    n = scaled(20000, 5000)
    queues = [asyncio.Queue(1) for _ in range(4)]

    async def sender():
        i = 0
        while True:
            await queues[i % 4].put(i)
            i += 1

    task = asyncio.create_task(sender())
    getters = {asyncio.create_task(queue.get()): queue for queue in queues}
    received = 0
    start = cpu_ns()
    while received < n:
        done, _ = await asyncio.wait(getters,
                                     return_when=asyncio.FIRST_COMPLETED)
        for getter in done:
            queue = getters.pop(getter)
            getter.result()
            received += 1
            getters[asyncio.create_task(queue.get())] = queue
    took = cpu_ns() - start
    task.cancel()
    for getter in getters:
        getter.cancel()
    return took / received


async def queue_priority():
    n = scaled(200000, 20000)
    steps = queue_steps()
    queue = asyncio.PriorityQueue()
    for i in range(HELD):
        await queue.put(steps[i])
    start = cpu_ns()
    for i in range(n):
        await queue.put(await queue.get() + steps[i % len(steps)])
    return (cpu_ns() - start) / n


async def offload_roundtrip():
    n = scaled(10000, 2000)
    run = asyncio.get_running_loop().run_in_executor
    for _ in range(n // 10):
        await run(None, _nothing)
    start = time.monotonic_ns()
    for _ in range(n):
        await run(None, _nothing)
    return (time.monotonic_ns() - start) / n


async def spawn_process():
    async def runner():
        nonlocal left
        while left > 0:
            left -= 1
            process = await asyncio.create_subprocess_exec("/bin/true")
            await process.wait()

    n = scaled(1000, 200)
    for count in (n // 10, n):
        left = count
        start = cpu_ns()
        await asyncio.gather(*(runner() for _ in range(8)))
    return (cpu_ns() - start) / n


ROWS = {
    "chan_pingpong": chan_pingpong, "chan_ring_1000": chan_ring,
    "sem_handoff": sem_handoff, "mutex_uncontended": mutex_uncontended,
    "future_resolve_wait": future_resolve_wait,
    "wait_with_timeout": wait_with_timeout, "group_1000": group,
    "select_4": select_four, "queue_priority": queue_priority,
    "offload_roundtrip": offload_roundtrip, "spawn_process": spawn_process,
}
