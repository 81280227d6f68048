#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""links.py ROOT - links between our documents lead to files that are there."""

import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.S | re.M)


def anchors(path):
    """What a heading of a document is called in a link."""
    text = FENCE.sub("", path.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    count, broken = 0, 0
    for path in [*root.glob("*.md"), *(root / "docs").rglob("*.md")]:
        for link in LINK.findall(FENCE.sub("", path.read_text())):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            count += 1
            if not target.exists() or root not in [target, *target.parents] \
                    or (anchor and anchor not in anchors(target)):
                broken += 1
                print(f"{path.relative_to(root)}: no {link}")
    print(f"{count} links, {broken} broken")
    sys.exit(1 if broken else 0)


main()
