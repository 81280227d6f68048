#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""names.py ROOT - what the documents call by name is in the headers.

Looks at the code spans of README.md and docs/**/*.md, outside code blocks and
the generated API.md: each co_ and CO_ word must be a word of a public header.
"""

import pathlib
import re
import sys

FENCE = re.compile(r"^```.*?^```$", re.S | re.M)
SPAN = re.compile(r"`([^`\n]+)`")
NAME = re.compile(r"\b(?:co|CO)_[A-Za-z0-9_]+(?![A-Za-z0-9_]*[*…])")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    headers = " ".join(path.read_text()
                       for path in (root / "include").rglob("*.h"))
    known = set(re.findall(r"\w+", headers))
    count, missing = 0, 0
    for path in [root / "README.md", *(root / "docs").rglob("*.md")]:
        if path.name == "API.md":
            continue
        text = FENCE.sub("", path.read_text())
        for span in SPAN.findall(text):
            for name in NAME.findall(span):
                if name.startswith(("co__", "CO__")) or name.endswith("_"):
                    continue
                count += 1
                if name not in known:
                    missing += 1
                    print(f"{path.relative_to(root)}: no {name}")
    print(f"{count} names, {missing} unknown")
    sys.exit(1 if missing or not count else 0)


main()
