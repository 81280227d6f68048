#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""snippets.py ROOT --compiler CC --archive A [--hook-archive A]
            [--libraries L] [--run EMULATOR]

Compiles every C block of README.md and docs/**/*.md without a warning. A block
with a main() is a program: it is run, and has to return 0; if the next block
is ```text, that is what it prints. A block without one may leave out includes,
and is compiled as if it stood behind them. Blocks that are not meant to be
compiled are not marked as C.
"""

import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

FLAGS = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow",
         "-Werror"]
PREAMBLE = """
#include <coppice.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
"""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)


def blocks(path):
    """(line, language, text) of each block of a document."""
    text = path.read_text()
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        yield line, match.group(1), match.group(2)


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60,
                          check=False, **options)


def check(arguments, where, source, expected, scratch):
    """What is wrong with a block, or None."""
    is_program = re.search(r"^int main\(", source, re.M)
    file, program = scratch / "snippet.c", scratch / "snippet"
    line = f'#line {where[1]} "{where[0]}"\n'
    file.write_text(line + source if is_program else
                    PREAMBLE + line + source)
    command = [arguments.compiler, *FLAGS, "-D_GNU_SOURCE",
               f"-I{arguments.root}/include", str(file)]
    if is_program:
        hooks = "<coppice/hook.h>" in source and arguments.hook_archive
        command += ["-o", str(program), *([hooks] if hooks else []),
                    arguments.archive, "-pthread",
                    *shlex.split(arguments.libraries)]
    else:
        command += ["-Wno-unused-function", "-Wno-unused-variable", "-c",
                    "-o", str(program)]
    compiled = run(command)
    if compiled.returncode != 0:
        return compiled.stderr
    if not is_program:
        return None
    ran = run([*shlex.split(arguments.run), str(program)])
    if ran.returncode != 0:
        return f"returned {ran.returncode}: {ran.stderr}"
    if expected is not None and ran.stdout != expected:
        return f"printed\n{ran.stdout}and not\n{expected}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--archive", required=True)
    parser.add_argument("--hook-archive", default="")
    parser.add_argument("--libraries", default="")
    parser.add_argument("--run", default="")
    arguments = parser.parse_args()

    count, failed = 0, 0
    paths = [arguments.root / "README.md",
             *sorted((arguments.root / "docs").rglob("*.md"))]
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            found = list(blocks(path))
            for number, (line, language, source) in enumerate(found):
                if language != "c":
                    continue
                following = found[number + 1:number + 2]
                expected = (following[0][2] if following
                            and following[0][1] == "text" else None)
                name = path.relative_to(arguments.root)
                wrong = check(arguments, (name, line), source, expected,
                              pathlib.Path(scratch))
                count += 1
                if wrong:
                    failed += 1
                    print(f"{name}:{line}: {wrong}")
    print(f"{count} blocks, {failed} failed")
    sys.exit(1 if failed or not count else 0)


main()
