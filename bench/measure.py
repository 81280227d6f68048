# SPDX-License-Identifier: MIT
"""Runs the programs of a row in turn, and returns what they printed.

A row's samples are a list of rounds; a round maps systems to values. Only
values of one round are compared with each other, since the machine is never
quite the same a minute later.
"""

import os
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAM_SECONDS_MAX = 180
LISTEN_SECONDS_MAX = 10
PHASE_SECONDS = 0.35
PHASE_SECONDS_QUICK = 0.2
DIVISOR_QUICK = 4
# With 9,000 connections to each, load's descriptors allow two servers.
CONNECTIONS_MAX = 18000
TLS_BODY_BYTES = 64 * 1024 * 1024


class Failed(Exception):
    """A program did not do what it should; the text names it."""


def _pin(cpu):
    """Load on the first CPU, what is measured on the last; None: anywhere."""
    if cpu is None:
        return None
    cpus = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cpus[cpu]})


def _cpu_of(row):
    """Where a program that measures itself runs; a server has the first."""
    if row.kind == "threads":
        return None
    return 0 if row.name.endswith("_one_cpu") else -1


def _environment():
    clean = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    clean.pop("COPPICE_BACKEND", None)  # a system says it if it means it
    return clean


def _run(command, cpu):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True,
                              env=_environment(), preexec_fn=_pin(cpu),
                              timeout=PROGRAM_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"took more than {PROGRAM_SECONDS_MAX} s") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise Failed(said[-1] if said else f"status {done.returncode}")
    return done.stdout.splitlines()


def works(command):
    """Whether a program runs at all."""
    try:
        return bool(_run(command, None))
    except Failed:
        return False


def micro_round(row, commands, quick, note, *more):
    """One value of each program of a row that measures itself."""
    values = {}
    cpu = _cpu_of(row)
    for name, command in commands.items():
        note(name)
        arguments = [row.name, str(DIVISOR_QUICK if quick else 1), *more]
        try:
            for line in _run(command + arguments, cpu):
                if line.startswith(f"R {row.name} "):
                    values[name] = float(line.split()[2])
        except Failed as error:
            note(name, str(error))
    return values


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port, udp):
    """Whether a server listens; one of UDP has to send something back."""
    if not udp:
        socket.create_connection(("127.0.0.1", port)).close()
        return
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        probe.connect(("127.0.0.1", port))
        probe.send(b"there?")
        probe.recv(64)


@contextmanager
def _server(name, command, *arguments, udp=False, folder=None):
    """A running server, as load wants it named: name:port:pid."""
    port = _free_port()
    environment = _environment()
    if folder:
        environment["TMPDIR"] = folder
    process = subprocess.Popen([*command, str(port), *arguments],
                               env=environment,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, preexec_fn=_pin(-1))
    try:
        deadline = time.monotonic() + LISTEN_SECONDS_MAX
        while True:
            try:
                _answers(port, udp)
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Failed("does not listen") from error
                time.sleep(0.02)
        yield f"{name}:{port}:{process.pid}"
    finally:
        process.kill()
        process.wait()


def _load(programs, commands, *arguments):
    """What load prints about these servers, as lists of words."""
    with ExitStack() as stack:
        servers = [stack.enter_context(_server(name, command))
                   for name, command in commands.items()]
        command = [str(programs / "load"), *arguments, *servers]
        return [line.split() for line in _run(command, 0)]


def _alternate(row, programs, commands, rounds, quick):
    seconds = PHASE_SECONDS_QUICK if quick else PHASE_SECONDS
    samples = [{} for _ in range(rounds)]
    for _, number, name, value in _load(
            programs, commands, "-c", str(row.param), "-r", str(rounds),
            "-t", str(seconds)):
        samples[int(number)][name] = float(value)
    return samples


def echo(row, programs, commands, rounds, quick, note):
    """All servers side by side, or, if those are too many connections, each
    beside the one that it is compared with."""
    base = row.against
    if len(commands) * row.param <= CONNECTIONS_MAX:
        note(" ".join(commands))
        return _alternate(row, programs, commands, rounds, quick)
    samples = []
    for name, command in commands.items():
        if name == base:
            continue
        note(name)
        pair = {base: commands[base]} if base in commands else {}
        pair[name] = command
        try:
            samples += _alternate(row, programs, pair, rounds, quick)
        except Failed as error:
            note(name, str(error))
    return samples


def in_turn(row, programs, commands, rounds, quick, note):
    """All servers side by side, and the load of that kind. A proxy is told
    where to dial, too: there the load listens."""
    note(" ".join(commands))
    seconds = PHASE_SECONDS_QUICK if quick else PHASE_SECONDS
    samples = [{} for _ in range(rounds)]
    load = [str(programs / f"{row.kind}_load"), "-r", str(rounds), "-t",
            str(seconds)]
    target = [str(_free_port())] if row.kind == "proxy" else []
    if target:
        load += ["-p", *target]
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="coppice-bench-"))
        servers = [stack.enter_context(_server(name, command, *target,
                                               udp=row.kind == "udp",
                                               folder=folder))
                   for name, command in commands.items()]
        for line in _run([*load, *servers], 0):
            _, number, name, value = line.split()
            samples[int(number)][name] = float(value)
    return samples


def _tls_folder(folder):
    """What servers of TLS serve, and the certificate by which they do."""
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
             "-days", "2", "-keyout", folder / "key.pem", "-out",
             folder / "certificate.pem"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed("openssl makes no certificate") from error
    (folder / "body").write_bytes(os.urandom(4096) * (TLS_BODY_BYTES // 4096))


def tls(row, programs, commands, rounds, quick, note):
    """All servers side by side."""
    note(" ".join(commands))
    seconds = PHASE_SECONDS_QUICK if quick else PHASE_SECONDS
    samples = [{} for _ in range(rounds)]
    load = programs / "tls_load"
    if not load.exists():
        raise Failed("tls_load was not built: OpenSSL 3 is missing")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="coppice-bench-")))
        _tls_folder(folder)
        servers = [stack.enter_context(_server(name, command, str(folder)))
                   for name, command in commands.items()]
        for line in _run([str(load), "-r", str(rounds), "-t", str(seconds),
                          row.name, *servers], 0):
            _, number, name, value = line.split()
            samples[int(number)][name] = float(value)
    return samples


@contextmanager
def postgresql(folder):
    """A running PostgreSQL, as libpq wants it named."""
    command = [Path(__file__).resolve().parent / "pg/server", folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=_environment(), preexec_fn=_pin(0)) as server:
        name = server.stdout.readline().strip()
        if not name:
            said = server.stderr.read().strip().splitlines()
            raise Failed(said[-1] if said else "PostgreSQL does not start")
        yield name
        server.stdin.close()


def idle_round(row, programs, commands, note):
    """Memory a connection of each server, every time a new process."""
    values = {}
    for name, command in commands.items():
        note(name)
        try:
            for _, _, value in _load(programs, {name: command}, "-m", "-c",
                                     str(row.param)):
                values[name] = float(value)
        except Failed as error:
            note(name, str(error))
    return values
