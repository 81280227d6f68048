# SPDX-License-Identifier: MIT
"""What is measured: the rows, and the systems with the rows that they have."""

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Row:
    """One question. Its name never changes, so that runs can be compared."""

    name: str
    unit: str
    kind: str  # time, threads (on all CPUs), memory, echo, idle,
    # tls, udp, churn, line, proxy or pg
    rounds: int
    quick_rounds: int  # 0: not in a quick run, unless the row is named
    target_ratio: float = 0.0  # what Coppice aims at; 0: no aim
    target_value: float = 0.0
    against: str = "limit"  # what the ratios are to

    @property
    def param(self):
        """The number in the name: 1000 of yield_1000; None if none."""
        digits = self.name.rsplit("_", 1)[-1]
        digits = digits.replace("k", "000").replace("m", "000000")
        return int(digits) if digits.isdigit() else None


ROWS = [
    Row("switch", "ns", "time", 9, 3, target_ratio=1.3),
    Row("yield_1", "ns", "time", 7, 2),
    Row("yield_2", "ns", "time", 7, 2, target_ratio=1.6),
    Row("yield_1000", "ns", "time", 7, 2, target_ratio=1.3),
    Row("yield_100000", "ns", "time", 5, 2, target_ratio=1.5),
    Row("spawn_join", "ns", "time", 7, 2, target_ratio=1.4),
    Row("spawn_batch", "ns", "time", 7, 2),
    Row("memory_parked_100k", "bytes", "memory", 3, 1),
    Row("memory_parked_1m", "bytes", "memory", 1, 0, target_value=4.7 * 1024),
    Row("timers_100k", "ns", "time", 4, 1, target_ratio=1.35),
    Row("timers_1m", "ns", "time", 1, 0),
    Row("timeout_scope", "ns", "time", 7, 2),
    Row("chan_pingpong", "ns", "time", 7, 2, target_ratio=1.35),
    Row("chan_ring_1000", "ns", "time", 7, 2, target_ratio=1.35),
    Row("sem_handoff", "ns", "time", 7, 2, target_ratio=1.35),
    Row("mutex_uncontended", "ns", "time", 7, 2, target_ratio=1.35),
    Row("future_resolve_wait", "ns", "time", 7, 2, target_ratio=1.35),
    Row("wait_with_timeout", "ns", "time", 7, 2, target_ratio=1.35),
    Row("group_1000", "ns", "time", 7, 2, target_ratio=1.35),
    Row("select_4", "ns", "time", 7, 2, target_ratio=1.35),
    Row("queue_priority", "ns", "time", 7, 2, target_ratio=1.35),
    Row("xthread_pingpong", "ns wall", "threads", 9, 3),
    Row("xthread_pingpong_cpu", "ns CPU", "threads", 5, 1),
    Row("offload_roundtrip", "ns wall", "threads", 9, 3),
    Row("file_read_4k_64", "ns wall", "threads", 9, 3),
    Row("file_read_4k_64_cpu", "ns CPU", "threads", 5, 1),
    Row("spawn_process", "ns CPU", "threads", 5, 1),
    Row("echo_1", "ns CPU", "echo", 7, 3, against="raw_epoll"),
    Row("echo_64", "ns CPU", "echo", 15, 5, target_ratio=1.05,
        against="raw_epoll"),
    Row("echo_1000", "ns CPU", "echo", 9, 3, against="raw_epoll"),
    Row("echo_9000", "ns CPU", "echo", 7, 3, target_ratio=1.08,
        against="raw_epoll"),
    Row("idle_9000", "bytes", "idle", 1, 1, target_value=5 * 1024),
    Row("udp_echo", "ns CPU", "udp", 15, 5, target_ratio=1.1,
        against="raw_epoll"),
    Row("accept_churn", "ns CPU", "churn", 15, 5, target_ratio=1.1,
        against="raw_epoll"),
    Row("stream_line", "ns CPU", "line", 15, 5, target_ratio=1.1,
        against="raw_epoll"),
    Row("proxy_throughput", "ns CPU a KiB", "proxy", 9, 5, target_ratio=1.1),
    Row("tls_handshake", "ns CPU", "tls", 15, 5, target_ratio=1.1,
        against="nginx"),
    Row("tls_throughput", "ns CPU", "tls", 15, 5, target_ratio=1.1,
        against="nginx"),
    Row("hook_read_outside", "ns", "time", 9, 5, target_ratio=1.02),
    Row("hook_read_task", "ns", "time", 9, 5),
    Row("hook_mutex", "ns", "time", 9, 5),
    Row("pg_select1", "ns CPU", "pg", 15, 7, target_ratio=1.0,
        against="pthread"),
    Row("pg_select1_wall", "ns wall", "pg", 25, 11, target_ratio=1.0,
        against="pthread"),
    Row("pg_select1_one_cpu", "ns CPU", "pg", 15, 7, target_ratio=1.0,
        against="pthread"),
]

YIELD = ["yield_1", "yield_2", "yield_1000", "yield_100000"]
SPAWN = ["spawn_join", "spawn_batch"]
MEMORY = ["memory_parked_100k", "memory_parked_1m"]
TIMERS = ["timers_100k", "timers_1m"]
CHANNELS = ["chan_pingpong", "chan_ring_1000", "wait_with_timeout"]
SYNC = [*CHANNELS, "sem_handoff", "mutex_uncontended"]
FUTURES = ["future_resolve_wait"]
GROUPS = ["group_1000"]
SELECT = ["select_4"]
QUEUES = ["queue_priority"]
THREADS = ["xthread_pingpong", "xthread_pingpong_cpu"]
OFFLOAD = ["offload_roundtrip"]
FILES = ["file_read_4k_64", "file_read_4k_64_cpu"]
PROCESSES = ["spawn_process"]
ECHO = ["echo_1", "echo_64", "echo_1000", "echo_9000"]
NET = ECHO + ["idle_9000"]
TLS = ["tls_handshake", "tls_throughput"]
UDP = ["udp_echo"]
CHURN = ["accept_churn"]
LINE = ["stream_line"]
PROXY = ["proxy_throughput"]
PG = ["pg_select1", "pg_select1_wall", "pg_select1_one_cpu"]
# A row where what the reactor costs could show, of each kind that there is:
# tasks that never wait (it is polled all the same), timers, other threads.
REACTOR = ["yield_2", "yield_1000", "spawn_join", "timers_100k",
           "chan_pingpong", *THREADS, *OFFLOAD, *FILES, *NET, *TLS, *UDP,
           *CHURN, *LINE, *PROXY, *PG]


@dataclass(frozen=True)
class Aim:
    """At most so many times what another system takes."""

    row: str
    against: str
    ratio: float


# What the loop on io_uring aims at; in all its other rows, at no more than
# NO_WORSE times what the loop on epoll takes.
URING = "coppice_uring"
URING_AIMS = [Aim("echo_9000", "raw_epoll", 0.95),
              Aim("echo_9000", "raw_uring", 1.10),
              Aim("file_read_4k_64", "coppice", 0.667)]
NO_WORSE = 1.05


@dataclass(frozen=True)
class System:
    """One contestant. A command is a program and its first arguments; the name
    of a row, or the port, follows, and for TLS the folder."""

    name: str
    rows: list
    micro: object = None  # row name -> command
    server: list = field(default_factory=list)
    tls: list = field(default_factory=list)
    udp: list = field(default_factory=list)
    churn: list = field(default_factory=list)
    line: list = field(default_factory=list)
    proxy: list = field(default_factory=list)
    stackful: bool = True  # only these count in the memory rows
    rounds_max: int = 0  # for those so slow that fewer rounds tell enough
    backend: str = ""  # the loop's reactor, unless it is the default
    min_wait: int = 0  # of the loop's options, in microseconds
    kernel: str = ""  # a reactor that the kernel has to have

    def command(self, row, programs):
        """The command for a row, or None if it was not built."""
        if row.kind in ("tls", "udp", "churn", "line", "proxy"):
            command = getattr(self, row.kind)
        elif row.kind in ("echo", "idle"):
            command = self.server
        else:
            command = self.micro(row.name)
        program = programs / command[0]
        if command[0] == "python":
            return [sys.executable, str(HERE / "peers/python" / command[1]),
                    *command[2:]]
        if command[0] in ("nginx", "socat"):
            path = os.environ.get("PATH", "") + ":/usr/sbin"
            return [str(HERE / "peers" / command[0] / command[1])] \
                if shutil.which(command[0], path=path) else None
        if not program.exists():
            return None
        return [*on_loop(self.backend, self.min_wait), str(program),
                *command[1:]]


def on_loop(backend, min_wait=0):
    """What stands before a command of ours to have it run on such a loop."""
    settings = ["COPPICE_BACKEND=" + backend] if backend else []
    settings += [f"BENCH_MIN_WAIT={min_wait}"] if min_wait else []
    return ["env", *settings] if settings else []


def by_question(system, *options):
    """Programs named <system>_<question>, as yield of yield_1000."""
    def command(row):
        question = "process" if row in PROCESSES else row.split("_")[0]
        return [system + "_" + question, *options]
    return command


def micro_or_sync(system):
    """Two programs: one of them for the rows of synchronisation."""
    return lambda row: [system + ("_sync" if row in SYNC + FUTURES
                                  else "_micro")]


def one(*command):
    return lambda row: list(command)


SYSTEMS = [
    System("coppice", [row.name for row in ROWS], by_question("coppice"),
           ["coppice_echo"], ["coppice_tls_server"], ["coppice_udp"],
           ["coppice_churn"], ["coppice_line"], ["coppice_proxy"]),
    System(URING, REACTOR, by_question("coppice"), ["coppice_echo"],
           ["coppice_tls_server"], ["coppice_udp"], ["coppice_churn"],
           ["coppice_line"], ["coppice_proxy"], backend="io_uring", kernel="io_uring"),
    # A loop that sleeps for 200 us, before it looks what has become ready, when
    # it has nothing to do.
    System("coppice_min_wait", PG, by_question("coppice"), min_wait=200),
    # On stacks as large as those of State Threads: 64 KiB. Ours are 256 KiB
    # unless asked for less, and what grows with that is the page tables.
    System("coppice_64k", MEMORY, by_question("coppice", "--stack=64")),
    System("limit", [row.name for row in ROWS
                     if row.name not in
                     THREADS + OFFLOAD + TLS + UDP + CHURN + LINE + PG],
           by_question("limit"), ["limit_echo"], proxy=["limit_proxy"]),
    # The same with our way to leave a switch, where tasks hand over.
    System("limit_place", [*CHANNELS, "sem_handoff", *FUTURES, *GROUPS,
                           *SELECT], by_question("limit_place")),
    System("raw_epoll", [*NET, *UDP, *CHURN, *LINE],
           server=["raw_epoll_echo"], udp=["raw_epoll_udp"],
           churn=["raw_epoll_churn"], line=["raw_epoll_line"],
           stackful=False),
    System("raw_uring", NET, server=["raw_uring_echo"], stackful=False,
           kernel="io_uring"),
    *(System(f"raw_uring_{way}", NET, server=["raw_uring_echo", way],
             stackful=False, kernel="io_uring")
      for way in ("single", "multishot")),
    System("boost_context", ["switch", *SPAWN, *MEMORY],
           one("boost_context_micro")),
    System("pthread", [*THREADS, *PG], by_question("pthread"), stackful=False),
    System("boost_fiber", [*YIELD, *SPAWN, *MEMORY, "timers_100k", *SYNC,
                           *FUTURES],
           micro_or_sync("boost_fiber")),
    # It waits by select(), so 9,000 connections are beyond it.
    System("state_threads", [*YIELD, *SPAWN, *MEMORY, *TIMERS, *SYNC,
                             "echo_1", "echo_64", "echo_1000"],
           micro_or_sync("state_threads"), ["state_threads_echo"]),
    System("go", [*YIELD, *SPAWN, *MEMORY, *TIMERS, "timeout_scope", *SYNC,
                  *FUTURES, *GROUPS, *SELECT, *QUEUES, *THREADS, *OFFLOAD,
                  *FILES, *PROCESSES, *NET, *TLS, *UDP, *CHURN,
                  *LINE, *PROXY],
           one("go_bench"), ["go_bench", "echo"], ["go_bench", "tls"],
           ["go_bench", "udp"], ["go_bench", "churn"], ["go_bench", "line"],
           ["go_bench", "proxy"]),
    System("tokio", [*YIELD, *SPAWN, *MEMORY, *TIMERS, "timeout_scope", *SYNC,
                     *FUTURES, *GROUPS, *SELECT, *QUEUES, *THREADS, *OFFLOAD,
                     *FILES, *NET],
           one("tokio_bench"), ["tokio_bench", "echo"], stackful=False),
    System("libuv", [*TIMERS, *OFFLOAD, *FILES, *NET, *UDP],
           by_question("libuv"), ["libuv_echo"], udp=["libuv_udp"],
           stackful=False),
    System("nginx", [*TLS, *CHURN], tls=["nginx", "tls"],
           churn=["nginx", "churn"], stackful=False),
    System("socat", PROXY, proxy=["socat", "proxy"], stackful=False),
    System("libevent", [*TIMERS, *NET], one("libevent_timers"),
           ["libevent_echo"], stackful=False),
    # A million of theirs would take minutes and prove nothing.
    System("gevent", [*YIELD, *SPAWN, "memory_parked_100k", "timers_100k",
                      "timeout_scope", *SYNC, *FUTURES, *GROUPS, *QUEUES,
                      *OFFLOAD, *NET, *PG],
           lambda row: ["python", "gevent_pg.py" if row in PG
                        else "gevent_bench.py"],
           ["python", "gevent_bench.py", "echo"], rounds_max=2),
    System("asyncio", [*YIELD, *SPAWN, "memory_parked_100k", "timers_100k",
                       "timeout_scope", *SYNC, *FUTURES, *GROUPS, *SELECT,
                       *QUEUES, *OFFLOAD, *PROCESSES, *NET, *UDP,
                       *LINE],
           one("python", "asyncio_bench.py"),
           ["python", "asyncio_bench.py", "echo"],
           udp=["python", "asyncio_bench.py", "udp"],
           line=["python", "asyncio_bench.py", "line"], stackful=False,
           rounds_max=2),
]
