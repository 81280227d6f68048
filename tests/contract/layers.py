#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""layers.py ROOT - includes point downwards only.

Reads every #include under include/, src/ and arch/, and demands that a file
includes its own layer and those below it, nothing above.
"""

import pathlib
import re
import sys

# Lowest first. tls, hook and http are libraries on top, side by side.
ORDER = [
    "arch", "base", "core", "poll", "sync", "offload", "io", "event",
    "runtime", "debug", "testing", "tls", "hook", "http",
]

# The layer of each public header is that of the module of the same name.
PUBLIC = {
    "base": "base error clock alloc",
    "core": "future report task timer loop call embed factory cancel scope"
            " stack",
    "sync": "group gather mutex rwlock cond event sem barrier waitgroup once"
            " chan queue select generator local signal pool",
    "offload": "threadpool procpool",
    "io": "fd addr socket dgram pipe file paths stream stream_ops stream_info"
          " copy server dns dial process",
    "event": "callback reader transport protocol",
    "runtime": "runtime",
    "debug": "dump tracer watchdog",
    "testing": "testing",
    "tls": "tls tls_dial",
    "hook": "hook",
}
# Libraries of their own that use Coppice as anybody does.
OUTSIDE = {"tls"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def public_layer(stem):
    for layer, stems in PUBLIC.items():
        if stem in stems.split():
            return layer
    return None


def layer_of(path):
    """The layer of a path relative to the root; None if it has none."""
    parts = path.parts
    if parts[0] == "arch":
        return "arch"
    if parts[0] == "src" and len(parts) > 2:
        return parts[1] if parts[1] in ORDER else None
    if parts[:2] == ("include", "coppice"):
        return public_layer(path.stem)
    return None


def resolve(root, includer, bracket, name):
    """The file in the tree that an #include names; None: a foreign one."""
    if bracket == "<":
        places = [root / "include"]
    else:
        places = [includer.parent, root / "src", root, root / "include"]
    for place in places:
        if (place / name).is_file():
            return (place / name).resolve().relative_to(root)
    return None


def check_file(root, path):
    relative = path.relative_to(root)
    own = layer_of(relative)
    if own is None:
        yield f"{relative}: of no layer; see the table in layers.py"
        return
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, name = match.groups()
        where = f"{relative}:{number}"
        target = resolve(root, path, bracket, name)
        if target is None:
            if bracket == '"' or name.startswith("coppice"):
                yield f"{where}: no file is called {name}"
            continue
        if target == pathlib.Path("include/coppice.h"):
            yield f"{where}: the umbrella header is for users"
            continue
        other = layer_of(target)
        if other is None:
            yield f"{where}: {target} is of no layer"
        elif ORDER.index(other) > ORDER.index(own):
            yield f"{where}: {own} includes {target}, which is {other}: upwards"
        elif (own in OUTSIDE and other != own
              and target.parts[0] != "include"):
            yield f"{where}: {own} includes {target}, which is private"
        elif relative.parts[0] == "include" and target.parts[0] != "include":
            yield f"{where}: a public header includes the private {target}"


def check(root):
    """All complaints about a tree, and the number of files read."""
    root = pathlib.Path(root).resolve()
    files = [
        path
        for folder in ("include/coppice", "src", "arch")
        for path in sorted((root / folder).rglob("*"))
        if path.suffix in (".c", ".h", ".S")
    ]
    complaints = [text for path in files for text in check_file(root, path)]
    return complaints, len(files)


def main():
    complaints, count = check(sys.argv[1])
    for text in complaints:
        print(text)
    print(f"{count} files read, {len(complaints)} complaints")
    return 1 if complaints or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
