# SPDX-License-Identifier: MIT
"""What the Python peers share: clocks, memory, and the one line they print."""

import os
import random
import resource
import sys
import time

BATCH = 1000
HELD = 1000  # elements in the priority queue
cpu_ns = time.process_time_ns
sleep_seconds = random.Random(12345).random


def row_number(row):
    """The number that a row's name ends with: 1000 of yield_1000."""
    digits = row.rsplit("_", 1)[-1]
    return int(digits.replace("k", "000").replace("m", "000000"))


def scaled(count, least):
    divisor = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    return max(count // divisor, least)


def queue_steps():
    """How much later an element comes back, see bench/queue.h."""
    x = 12345
    steps = []
    for _ in range(4096):
        x ^= x << 13 & 0xffffffff
        x ^= x >> 17
        x ^= x << 5 & 0xffffffff
        steps.append(x % 1000000)
    return steps


def memory_bytes():
    """Resident memory and page tables."""
    kib = 0
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(("VmRSS:", "VmPTE:")):
                kib += int(line.split()[1])
    return kib * 1024


def allow_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def report(value):
    print("R %s %.3f" % (sys.argv[1], value), flush=True)
    os._exit(0)
