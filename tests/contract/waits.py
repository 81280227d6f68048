#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""waits.py ROOT - what waits for a thread is called by way of base/lock.h.

libcoppice-hook makes a task of whoever calls these; amid the library's own work
that must not be, which co__lock and its like see to.
"""

import pathlib
import re
import sys

WAITS = re.compile(
    r"\b(pthread_(?:mutex_(?:timed|clock)?lock"
    r"|cond_(?:wait|timedwait\w*|clockwait)"
    r"|rwlock_(?:timed|clock)?(?:rd|wr)lock"
    r"|barrier_wait|once|join|timedjoin_np)"
    r"|sem_(?:wait|timedwait|clockwait))\s*\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)

ALLOWED = {
    "base/lock.c": "says so to the thread",
    "base/wait_posix.c": "co__cond_wait, which is for threads without a loop",
    "base/wait_macos.c": "the same",
}
OUTSIDE = {
    "hook": "stands in for them",
    "tls": "uses Coppice as anybody does, and may wait as anybody",
}


def check_file(root, path):
    inside = path.relative_to(root / "src")
    if inside.parts[0] in OUTSIDE or str(inside) in ALLOWED:
        return
    text = COMMENT.sub(lambda m: "\n" * m[0].count("\n"),
                       path.read_text(encoding="utf-8"))
    for match in WAITS.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"src/{inside}:{line}: {match[1]}, not by way of base/lock.h"


def check(root):
    """All complaints about a tree, and the number of files read."""
    root = pathlib.Path(root).resolve()
    files = [path for path in sorted((root / "src").rglob("*"))
             if path.suffix in (".c", ".h")]
    complaints = [text for path in files for text in check_file(root, path)]
    return complaints, len(files)


def main():
    complaints, count = check(sys.argv[1])
    print("\n".join([*complaints,
                     f"{count} files read, {len(complaints)} complaints"]))
    return 1 if complaints or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
