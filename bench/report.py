# SPDX-License-Identifier: MIT
"""Statistics over the samples of a run, and the tables made of them."""

import json
from statistics import median

from systems import NO_WORSE, ROWS, SYSTEMS, URING, URING_AIMS

_STACKFUL = {system.name for system in SYSTEMS if system.stackful}
_OURS = ("coppice", URING, "coppice_min_wait", "coppice_64k", "limit",
         "limit_place", "raw_epoll", "raw_uring", "raw_uring_single",
         "raw_uring_multishot")
# An echo server is a peer's also when it is callbacks alone; a task that keeps
# no stack is compared only in time.
_MEMORY_KINDS = ("memory", "idle")
# Their noise is known, since all systems have a value in each round.
_NETWORK_KINDS = ("echo", "tls", "udp", "churn", "line", "proxy")


def spread(values):
    """Interquartile range."""
    values = sorted(values)
    quarter = len(values) // 4
    return values[-1 - quarter] - values[quarter]


def ratios(samples, name, base):
    """name / base, round by round, where both are there."""
    return [values[name] / values[base] for values in samples
            if name in values and values.get(base, 0) > 0]


def summarise(row, samples):
    """A dictionary for each system that has a value."""
    entries = []
    for name in (system.name for system in SYSTEMS):
        values = [s[name] for s in samples if name in s]
        if not values:
            continue
        entry = {"bench": row.name, "system": name, "param": row.param,
                 "unit": row.unit, "median": round(median(values), 3),
                 "min": round(min(values), 3), "runs": values}
        for key, base in (("ratio", row.against), ("ours", "coppice")):
            paired = ratios(samples, name, base)
            if paired:
                entry[key] = round(median(paired), 4)
                entry[key + "_iqr"] = round(spread(paired), 4)
        entries.append(entry)
    return sorted(entries, key=lambda entry: entry["median"])


def _figure(value):
    return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def row_lines(row, entries, seconds):
    """A row in full: every system, best first."""
    lines = [f"{row.name}  ({row.unit}, ratio to {row.against}; "
             f"took {seconds:.0f} s)"]
    for entry in entries:
        ratio = f"{entry['ratio']:.2f}" if "ratio" in entry else ""
        noise = f"  IQR {entry['ratio_iqr']:.3f}" \
            if row.kind in (*_NETWORK_KINDS, "pg") and "ratio_iqr" in entry \
            else ""
        lines.append(f"  {entry['system']:<14}{_figure(entry['median']):>12}"
                     f"  min {_figure(entry['min']):>10}{ratio:>10}{noise}")
    return lines


def _peers(row, entries):
    return [entry for entry in entries if entry["system"] not in _OURS and
            (row.kind not in _MEMORY_KINDS or entry["system"] in _STACKFUL)]


def _standing(row, entry, ours):
    """Where Coppice stands against one peer: ahead, even (echo rows: the
    difference is within the noise of this run) or behind."""
    if "ours" in entry:
        ratio, noise = entry["ours"], entry["ours_iqr"]
    else:  # never in one round: by way of what both are compared with
        ratio = entry["ratio"] / ours["ratio"]
        noise = entry["ratio_iqr"] + ours["ratio_iqr"]
    if ratio >= 1:
        return "ahead"
    if row.kind in _NETWORK_KINDS and ratio + noise >= 1:
        return "even"
    return "behind"


def _aim(row, ours):
    if row.target_ratio and "ratio" in ours:
        met = ours["ratio"] <= row.target_ratio
        return f"{'met' if met else 'MISSED'} {row.target_ratio:.2f} x"
    if row.target_value:
        met = ours["median"] <= row.target_value
        return f"{'met' if met else 'MISSED'} {row.target_value:,.0f}"
    return ""


def _verdict(row, entries, ours):
    groups = {"even": [], "behind": []}
    peers = _peers(row, entries)
    for peer in peers:
        standing = _standing(row, peer, ours)
        if standing in groups:
            groups[standing].append(peer["system"])
    parts = [f"{key}: {' '.join(names)}" for key, names in groups.items()
             if names]
    return "; ".join(parts) or ("ahead of all" if peers else "no peer")


def summary_lines(results):
    """One line a row: the limit, Coppice, the best peer, and the verdict."""
    lines = [f"{'row':<19}{'limit':>9}{'coppice':>9}{'ratio':>7}  "
             f"{'aim':<14}{'best peer':<24}peers"]
    for row in ROWS:
        entries = [e for e in results if e["bench"] == row.name]
        find = {entry["system"]: entry for entry in entries}
        ours = find.get("coppice")
        if not ours:
            continue
        base = find.get(row.against)
        peers = _peers(row, entries)
        best = f"{peers[0]['system']} {_figure(peers[0]['median'])}" \
            if peers else "-"
        ratio = f"{ours['ratio']:.2f}" if "ratio" in ours else "-"
        lines.append(
            f"{row.name:<19}{_figure(base['median']) if base else '-':>9}"
            f"{_figure(ours['median']):>9}{ratio:>7}  "
            f"{_aim(row, ours):<14}{best:<24}{_verdict(row, entries, ours)}")
    return lines


def _against(entry, other):
    """The ratio of two systems of a row, by way of Coppice or of what the row
    is compared with: what is far from one round says least."""
    if entry is other or not other:
        return None
    for key in ("ours", "ratio"):
        if entry.get(key) and other.get(key):
            return entry[key] / other[key]
    return None


def uring_lines(results):
    """How the loop on io_uring compares, with its aims; or nothing."""
    lines = []
    for row in ROWS:
        find = {e["system"]: e for e in results if e["bench"] == row.name}
        entry = find.get(URING)
        if not entry:
            continue
        aims = [(a.against, a.ratio) for a in URING_AIMS if a.row == row.name]
        aims = aims or [("coppice", NO_WORSE)]
        text = f"{row.name:<21}{_figure(entry['median']):>9}"
        for base in ("coppice", "raw_epoll", "raw_uring"):
            ratio = _against(entry, find.get(base))
            text += f"{ratio:>11.2f}" if ratio else f"{'':>11}"
        for base, aim in aims:
            ratio = _against(entry, find.get(base))
            if ratio:
                word = "met" if ratio <= aim else "MISSED"
                text += f"  {word} {aim:.2f} x {base}"
        lines.append(text)
    head = [f"{'row':<21}{'io_uring':>9}{'/coppice':>11}{'/raw_epoll':>11}"
            f"{'/raw_uring':>11}  aim"]
    return ["", *head, *lines] if lines else []


def markdown_lines(results):
    """The same in full for docs/measured/: systems across, rows down."""
    names = [s.name for s in SYSTEMS
             if any(e["system"] == s.name for e in results)]
    lines = ["| row | unit | " + " | ".join(names) + " |",
             "|---|---|" + "---|" * len(names)]
    for row in ROWS:
        find = {e["system"]: e for e in results if e["bench"] == row.name}
        if not find:
            continue
        cells = []
        for name in names:
            entry = find.get(name)
            cell = _figure(entry["median"]) if entry else ""
            if entry and "ratio" in entry:
                cell += f" ({entry['ratio']:.2f})"
            cells.append(cell)
        lines.append(f"| {row.name} | {row.unit} | " + " | ".join(cells) +
                     " |")
    return lines


def save(path, results):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
        file.write("\n")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
