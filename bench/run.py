#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure Coppice and its peers in turn. Started by scripts/bench, which
installs and builds what this needs. bench/README.md says what each row is."""

import argparse
import sys
import time
from pathlib import Path

import measure
import report
from systems import ROWS, SYSTEMS, on_loop


class Progress:
    """A status line on a terminal; elsewhere only what went wrong."""

    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.start = time.monotonic()
        self.where = ""
        self.failures = []

    def note(self, system, failure=None):
        if failure:
            self.failures.append((f"{self.where.split()[0]} {system}", failure))
            self.say([f"! {self.where} {system}: {failure}"])
        elif self.terminal:
            seconds = int(time.monotonic() - self.start)
            text = f"[{seconds // 60}:{seconds % 60:02}] {self.where} {system}"
            print(f"\r\033[K{text[:79]}", end="", flush=True)

    def say(self, lines):
        if self.terminal:
            print("\r\033[K", end="")
        print("\n".join(lines), flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rows", help="only these, separated by commas")
    parser.add_argument("--systems", help="only these, separated by commas")
    parser.add_argument("--quick", action="store_true",
                        help="fewer and shorter rounds, and without the rows "
                        "of a million tasks unless they are named")
    parser.add_argument("--rounds", type=int, help="instead of the row's own")
    parser.add_argument("--no-install", action="store_true",
                        help="never call apt-get")
    parser.add_argument("--markdown", action="store_true",
                        help="also print the table for docs/measured/")
    parser.add_argument("--report", action="store_true",
                        help="measure nothing, print the last run's tables")
    parser.add_argument("--programs", type=Path, help=argparse.SUPPRESS,
                        default=Path("build/bench/bench"))
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS,
                        default=Path("build/bench/results.json"))
    return parser.parse_args()


def chosen(parser_value, known, what):
    """Those of the known (rows or systems) that the command line names."""
    if not parser_value:
        return known
    names = parser_value.split(",")
    unknown = set(names) - {one.name for one in known}
    if unknown:
        sys.exit(f"no such {what}: {' '.join(sorted(unknown))}")
    return [one for one in known if one.name in names]


def commands_of(row, systems, programs, missing):
    commands = {}
    for system in systems:
        if row.name not in system.rows:
            continue
        command = system.command(row, programs)
        if command:
            commands[system.name] = command
        else:
            missing.add(system.name)
    return commands


def kernel_has(system, programs):
    """Whether the kernel has what a system cannot do without."""
    probe = programs / "coppice_mutex"
    return not system.kernel or not probe.exists() or measure.works(
        [*on_loop(system.kernel), str(probe), "mutex_uncontended", "1000"])


def measure_row(row, systems, commands, options, progress):
    """All rounds of a row."""
    count = options.rounds or (max(row.quick_rounds, 1) if options.quick
                               else row.rounds)
    # With a server that takes most of the time nobody is too slow.
    capped = row.kind != "pg"
    caps = {s.name: capped and s.rounds_max or count for s in systems}
    progress.where = row.name
    servers = {"echo": measure.echo, "tls": measure.tls,
               "udp": measure.in_turn, "churn": measure.in_turn,
               "line": measure.in_turn, "proxy": measure.in_turn}.get(row.kind)
    if servers:
        try:
            return servers(row, options.programs, commands, count,
                           options.quick, progress.note)
        except measure.Failed as error:
            progress.note("all", str(error))
            return []
    def one_round(number, *server):
        progress.where = f"{row.name} {number + 1}/{count}"
        now = {name: command for name, command in commands.items()
               if number < caps[name]}
        if row.kind == "idle":
            return measure.idle_round(row, options.programs, now,
                                      progress.note)
        return measure.micro_round(row, now, options.quick, progress.note,
                                   *server)

    if row.kind != "pg":
        return [one_round(number) for number in range(count)]
    try:
        with measure.postgresql(options.programs.parent / "pg") as server:
            return [one_round(number, server) for number in range(count)]
    except measure.Failed as error:
        progress.note("all", str(error))
        return []


def main():
    options = arguments()
    rows = chosen(options.rows, ROWS, "row")
    if options.quick and not options.rows:
        rows = [row for row in rows if row.quick_rounds > 0]
    systems = chosen(options.systems, SYSTEMS, "system")
    progress = Progress()
    missing = {s.name for s in systems if not kernel_has(s, options.programs)}
    systems = [s for s in systems if s.name not in missing]
    results = report.load(options.results) if options.report else []

    for row in [] if options.report else rows:
        commands = commands_of(row, systems, options.programs, missing)
        if not commands:
            continue
        begun = time.monotonic()
        samples = measure_row(row, systems, commands, options, progress)
        entries = report.summarise(row, samples)
        results += entries
        report.save(options.results, results)
        seconds = time.monotonic() - begun
        progress.say(report.row_lines(row, entries, seconds) + [""])

    progress.say(report.summary_lines(results) + report.uring_lines(results))
    if options.markdown:
        print("\n".join([""] + report.markdown_lines(results)))
    for name in sorted(missing):
        print(f"skipped: {name} (not installed, not built, or not to be had "
              "of this kernel)")
    for what, why in progress.failures:
        print(f"failed: {what} ({why})")
    if not options.report:
        print(f"{time.monotonic() - progress.start:.0f} s; figures in "
              f"{options.results}")
    return 1 if progress.failures or "coppice" in missing else 0


if __name__ == "__main__":
    sys.exit(main())
