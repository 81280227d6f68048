#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""shown.py ROOT - what a table says is shown by tests that there are.

The last cell of each row of a table that has "Shown by" over it has links to
test files, with the name of a test case as their text, spaces for underscores.
The case has to be defined there, and added to a suite; of a script, which has
no cases, it is the name of a program that it runs, or a word of it.
"""

import pathlib
import re
import sys

PAGES = ["docs/asyncio.md", "docs/ARCHITECTURE.md"]

TABLE = re.compile(r"^\|(.*)\| Shown by \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", re.M)
LINK = re.compile(r"\[([^\]]+)\]\((\.\./tests/[^)]+\.(?:c|cc|sh))\)")


def has_case(path, name):
    """Whether a test file defines a case, and adds it."""
    text = path.read_text()
    if path.suffix != ".c":
        return re.search(rf"^(?!#).*\b{name}\b", text, re.M)
    return re.search(rf"^[A-Z_]+\({name}\)", text, re.M) and \
        re.search(rf"^\s+.*\b{name}\b", text, re.M)


def complaints(root, page):
    """What is wrong with the rows of a page; and how many links there are."""
    wrong, count = [], 0
    for head, body in TABLE.findall(page.read_text()):
        for row in body.splitlines():
            cells = row.strip("|").split(" | ")
            links = LINK.findall(cells[-1])
            if len(cells) != head.count(" | ") + 2 or not links:
                wrong.append(f"no test shows:{cells[0]}")
            for name, file in links:
                count += 1
                path = (page.parent / file).resolve()
                if not path.is_file() or root not in path.parents:
                    wrong.append(f"no file {file}")
                elif not has_case(path, name.replace(" ", "_")):
                    wrong.append(f"{path.relative_to(root)}: no '{name}'")
    return wrong, count


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    failed = False
    for page in PAGES:
        wrong, count = complaints(root, root / page)
        print("\n".join([*wrong, f"{page}: {count} tests linked, "
                         f"{len(wrong)} complaints"]))
        failed |= bool(wrong) or not count
    sys.exit(failed)


main()
