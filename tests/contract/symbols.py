#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""symbols.py ROOT [--library L] [--nm NM --shared SO --static A]
symbols.py ROOT --write

Of each library three lists have to be one: the CO_API declarations of its
public headers, its version map, and what its .so exports. The archive, which
has no map, may define nothing outside of co_. --write makes the maps from the
headers.

What coppice exports for coppice-hook alone is in headers of its own and has a
node of its own; what coppice-hook takes over from the C library has no version.
"""

import argparse
import pathlib
import re
import subprocess
import sys

# Each library's node, and the headers that are its own; coppice has the rest.
NODES = {"coppice": "COPPICE_0", "coppice-tls": "COPPICE_TLS_0",
         "coppice-hook": ""}
OWN_HEADERS = {"coppice-tls": {"tls.h", "tls_dial.h"},
               "coppice-hook": {"hook.h"}}
PRIVATE_NODE = "COPPICE_PRIVATE"
PRIVATE_HEADERS = ["src/core/current.h", "src/core/keep.h", "src/io/guest.h",
                   "src/sync/lot.h"]


def strip_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def headers_of(root, library):
    headers = [root / "include/coppice.h"]
    headers += sorted((root / "include/coppice").glob("*.h"))
    if library in OWN_HEADERS:
        return [h for h in headers if h.name in OWN_HEADERS[library]]
    others = set().union(*OWN_HEADERS.values())
    return [h for h in headers if h.name not in others]


def map_of(root, library):
    return root / f"src/{library}.map"


def private(root, library):
    """The names that are exported for another library of ours."""
    if library != "coppice":
        return set()
    return declared_in(root / header for header in PRIVATE_HEADERS
                       if (root / header).is_file())


def taken_over(root, library):
    """The names of the C library's functions that are hooked."""
    if library != "coppice-hook":
        return set()
    names = set()
    text = (root / "src/hook/symbols.h").read_text(encoding="utf-8")
    text = strip_comments(text).replace("\\\n", " ")
    names |= set(re.findall(r"\bX\([^,()]+,\s*(\w+)\s*,", text))
    for source in sorted((root / "src/hook").glob("*.c")):
        names |= set(re.findall(r"^CO__HOOK_ALIAS\((\w+),",
                                source.read_text("utf-8"), flags=re.M))
    return names


def declared(root, library="coppice"):
    """The names that a library's headers declare with CO_API, and the rest
    that it exports."""
    return (declared_in(headers_of(root, library)) | private(root, library) |
            taken_over(root, library))


def declared_in(headers):
    names = set()
    for header in headers:
        text = strip_comments(header.read_text(encoding="utf-8"))
        text = text.replace("\\\n", " ")
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        for match in re.finditer(r"\bCO_API\b([^;{]*)", text):
            declaration = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ",
                                 match.group(1))
            # The name is what stands before the first parenthesis, or, of
            # a variable, the last word.
            declaration = re.sub(r"\bCO_[A-Z_]+\([^()]*\)", " ", declaration)
            name = re.search(r"(\w+)\s*\(", declaration) or \
                re.search(r"(\w+)\s*(?:\[[^]]*\]\s*)?$", declaration)
            if not name:
                raise SystemExit(f"{header.name}: cannot read {match.group()}")
            names.add(name.group(1))
    return names


def mapped(root, library="coppice"):
    """The names in the version map's global lists."""
    text = strip_comments(map_of(root, library).read_text("utf-8"))
    names = set()
    for part in re.findall(r"global:(.*?)(?:local:|\})", text, flags=re.S):
        names |= set(re.findall(r"[^\s;]+", part))
    return names


def nm(program, *arguments):
    output = subprocess.run([program, *arguments], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        fields = line.split()
        if len(fields) >= 2 and len(fields[-2]) == 1:
            yield fields[-1], fields[-2]


def exported(program, library):
    """The names that a shared library exports, without their version."""
    return {name.split("@")[0]
            for name, kind in nm(program, "-D", "--defined-only", library)
            if kind != "A"}


def strangers(program, library, taken):
    """The global names of an archive that are not ours to take."""
    return {name
            for name, _ in nm(program, "-g", "--defined-only", library)
            if not name.startswith("co_") and name not in taken}


def differences(wanted, wanted_name, given, given_name):
    for name in sorted(wanted - given):
        yield f"{name} is in {wanted_name}, not in {given_name}"
    for name in sorted(given - wanted):
        yield f"{name} is in {given_name}, not in {wanted_name}"


def write_map(root, library="coppice"):
    path, node = map_of(root, library), NODES[library]
    old = path.read_text(encoding="utf-8")
    head = old[:old.index("*/") + 3]

    def listed(names):
        return "".join(f"        {name};\n" for name in sorted(names))

    hidden = private(root, library)
    public = listed(declared(root, library) - hidden)
    text = (f"{head}{node}{' ' if node else ''}{{\n    global:\n{public}\n"
            "    local:\n        *;\n};\n")
    if hidden:
        text += (f"\n{PRIVATE_NODE} {{\n    global:\n{listed(hidden)}"
                 f"}} {node};\n")
    path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--library", choices=NODES, default="coppice")
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--shared")
    parser.add_argument("--static")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()

    if options.write:
        for library in NODES:
            write_map(options.root, library)
        return 0

    library = options.library
    headers = declared(options.root, library)
    complaints = list(differences(headers, "the headers",
                                  mapped(options.root, library),
                                  f"src/{library}.map"))
    if complaints:
        complaints.append("to follow the headers: tests/contract/symbols.py"
                          " . --write")
    if options.shared:
        complaints += differences(headers, "the headers",
                                  exported(options.nm, options.shared),
                                  "the shared library")
    if options.static:
        complaints += [f"{name} in the archive does not begin with co_"
                       for name in sorted(strangers(
                           options.nm, options.static,
                           taken_over(options.root, library)))]
    for text in complaints:
        print(text)
    print(f"{len(headers)} functions, {len(complaints)} complaints")
    return 1 if complaints or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
