#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""limits.py ROOT - the limits of CONTRIBUTING.md, enforced by machine."""

import pathlib
import re
import sys

HEADER_LINES = 150     # a public header
SOURCE_LINES = 600     # a file of the library
FUNCTION_LINES = 70    # a function of the library
COLUMNS = 80
TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "CMakeUserPresets.json",
    "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "include",
    "src", "arch", "tests", "bench", "docs", "cmake", "examples", "scripts",
    "build",
}
OS_EVENTS = re.compile(
    r"#\s*include\s*<(sys/(epoll|event|eventfd|timerfd|signalfd)|poll|liburing"
    r"|linux/.*)\.h>")
CODE = {".c", ".h", ".S"}


def function_lengths(lines):
    """(name line, length) of each function: braces in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start - 1
            start = None


def check_text(path, relative, lines):
    parts = relative.parts
    public = parts[:1] == ("include",)
    library = parts[0] in ("src", "arch")

    if public and len(lines) > HEADER_LINES:
        yield f"{relative}: {len(lines)} lines, {HEADER_LINES} allowed"
    if library and len(lines) > SOURCE_LINES:
        yield f"{relative}: {len(lines)} lines, {SOURCE_LINES} allowed"
    if "SPDX-License-Identifier: MIT" not in "\n".join(lines[:3]):
        yield f"{relative}:1: no SPDX line"
    for number, line in enumerate(lines, 1):
        width = len(line.expandtabs(8))
        if width > COLUMNS:
            yield f"{relative}:{number}: {width} columns, {COLUMNS} allowed"
        if "\t" in line and path.suffix != ".S":
            yield f"{relative}:{number}: a tab"
        if line != line.rstrip():
            yield f"{relative}:{number}: white space at the end"
        if public and OS_EVENTS.search(line):
            yield f"{relative}:{number}: an event header of one system"
    if library and path.suffix == ".c":
        for number, length in function_lengths(lines):
            if length > FUNCTION_LINES:
                yield (f"{relative}:{number}: a function of {length} lines, "
                       f"{FUNCTION_LINES} allowed")


def check(root):
    """All complaints about a tree, and the number of files read."""
    root = pathlib.Path(root).resolve()
    complaints = [
        f"{path.name}: does not belong at the top level"
        for path in sorted(root.iterdir())
        if path.name not in TOP_LEVEL and not path.name.startswith(".")
    ]
    count = 0
    for folder in ("include", "src", "arch", "tests", "bench", "examples"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in CODE:
                continue
            count += 1
            lines = path.read_text(encoding="utf-8").splitlines()
            complaints += check_text(path, path.relative_to(root), lines)
    return complaints, count


def main():
    complaints, count = check(sys.argv[1])
    for text in complaints:
        print(text)
    print(f"{count} files read, {len(complaints)} complaints")
    return 1 if complaints or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
