# SPDX-License-Identifier: MIT
"""gevent's rows of synchronisation between greenlets, and of other threads."""

import time

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore, Semaphore
from gevent.pool import Group
from gevent.queue import Channel, PriorityQueue

from common import HELD, cpu_ns, queue_steps, scaled


def _nothing():
    pass


def _pingpong(get):
    n = scaled(200000, 20000)
    there, back = Channel(), Channel()

    def echo():
        while True:
            back.put(get(there))

    gevent.spawn(echo)
    gevent.sleep(0)
    start = cpu_ns()
    for i in range(n // 2):
        there.put(i)
        get(back)
    return (cpu_ns() - start) / n


def chan_pingpong():
    return _pingpong(Channel.get)


def wait_with_timeout():
    return _pingpong(lambda channel: channel.get(timeout=1))


def chan_ring():
    n = scaled(200000, 20000)
    ring = [Channel() for _ in range(1000)]

    def hop(source, target):
        while True:
            target.put(source.get() - 1)

    for source, target in zip(ring[1:], ring[2:] + ring[:1]):
        gevent.spawn(hop, source, target)
    gevent.sleep(0)
    left = n
    start = cpu_ns()
    while left > 0:
        ring[1].put(left - 1)
        left = ring[0].get()
    return (cpu_ns() - start) / n


def sem_handoff():
    n = scaled(200000, 20000)
    there, back = Semaphore(0), Semaphore(0)

    def other():
        while True:
            there.acquire()
            back.release()

    gevent.spawn(other)
    gevent.sleep(0)
    start = cpu_ns()
    for _ in range(n // 2):
        there.release()
        back.acquire()
    return (cpu_ns() - start) / n


def mutex_uncontended():
    n = scaled(1000000, 50000)
    mutex = BoundedSemaphore(1)
    start = cpu_ns()
    for _ in range(n):
        mutex.acquire()
        mutex.release()
    return (cpu_ns() - start) / n


def future_resolve_wait():
    n = scaled(100000, 10000)
    pending = None

    def resolver():
        while True:
            pending.set(1)
            gevent.sleep(0)

    start = cpu_ns()
    for i in range(n):
        pending = AsyncResult()
        if i == 0:
            gevent.spawn(resolver)
        pending.get()
    return (cpu_ns() - start) / n


def group():
    n = scaled(50000, 10000)
    start = cpu_ns()
    for _ in range(n // 1000):
        children = Group()
        for _ in range(1000):
            children.spawn(_nothing)
        children.join()
    return (cpu_ns() - start) / n


def queue_priority():
    n = scaled(200000, 20000)
    steps = queue_steps()
    queue = PriorityQueue()
    for i in range(HELD):
        queue.put(steps[i])
    start = cpu_ns()
    for i in range(n):
        queue.put(queue.get() + steps[i % len(steps)])
    return (cpu_ns() - start) / n


def offload_roundtrip():
    n = scaled(20000, 2000)
    run = gevent.get_hub().threadpool.apply
    for _ in range(n // 10):
        run(_nothing)
    start = time.monotonic_ns()
    for _ in range(n):
        run(_nothing)
    return (time.monotonic_ns() - start) / n


ROWS = {
    "chan_pingpong": chan_pingpong, "chan_ring_1000": chan_ring,
    "sem_handoff": sem_handoff, "mutex_uncontended": mutex_uncontended,
    "future_resolve_wait": future_resolve_wait,
    "wait_with_timeout": wait_with_timeout, "group_1000": group,
    "queue_priority": queue_priority, "offload_roundtrip": offload_roundtrip,
}
