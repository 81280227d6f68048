#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""shown.py ROOT - each row of docs/asyncio.md is shown by tests that there are.

The last cell of a row has links to test files, with the name of a test case as
their text, spaces for underscores. The case has to be defined there, and added
to a suite.
"""

import pathlib
import re
import sys

ROW = re.compile(r"^\|(?!-)(.*)\|$", re.M)
LINK = re.compile(r"\[([^\]]+)\]\((\.\./tests/[^)]+\.c)\)")


def has_case(text, name):
    """Whether a test file defines a case, and adds it."""
    return re.search(rf"^[A-Z_]+\({name}\)", text, re.M) and \
        re.search(rf"^\s+.*\b{name}\b", text, re.M)


def complaints(root, page):
    """What is wrong with the rows of a page; and how many links there are."""
    wrong, count = [], 0
    for row in ROW.findall(page.read_text()):
        cells = row.split(" | ")
        if cells[0].strip() == "asyncio":
            continue
        links = LINK.findall(cells[-1])
        if len(cells) != 3 or not links:
            wrong.append(f"no test shows:{cells[0]}")
        for name, file in links:
            count += 1
            path = (page.parent / file).resolve()
            if not path.is_file() or root not in path.parents:
                wrong.append(f"no file {file}")
            elif not has_case(path.read_text(), name.replace(" ", "_")):
                wrong.append(f"{path.relative_to(root)}: no case '{name}'")
    return wrong, count


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    wrong, count = complaints(root, root / "docs/asyncio.md")
    print("\n".join([*wrong, f"{count} tests linked, {len(wrong)} complaints"]))
    sys.exit(1 if wrong or not count else 0)


main()
