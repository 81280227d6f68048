#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""artefacts.py ROOT PROCESSOR archive|dylib|program|linked FILE...

What can be known of what was built for macOS where it cannot be run: for which
machine and which system it is, which names it gives and takes, and that an
unwinder finds its way through the switch.
"""

import pathlib
import sys

import macho

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "contract"))
import symbols  # noqa: E402

CPUS = {"aarch64": macho.ARM64, "x86_64": macho.X86_64}
# How __unwind_info says "by the rules in __eh_frame", and the number that
# these rules have for the return address.
DWARF = {"aarch64": 0x03000000, "x86_64": 0x04000000}
RETURN_ADDRESS = {"aarch64": 30, "x86_64": 16}
MACOS = 1
MINIMUM = "11.0"

# co__switch_prepare calls nothing, and is not one of them.
SWITCHES = ("_co__switch", "_co__switch_start", "_co__switch_final",
            "_co__switch_entry", "_co__switch_unwind")


def abi(root):
    return {"_" + name for name in symbols.mapped(root)}


def check_kind(file, processor, kind):
    if file.cpu != CPUS[processor]:
        yield f"it is for processor {file.cpu:#x}"
    if file.kind != kind:
        yield f"it is of kind {file.kind}, not {kind}"
    if file.minimum_version() != (MACOS, MINIMUM):
        yield f"it is for {file.minimum_version()}, not macOS {MINIMUM}"
    if file.flags & macho.MH_ALLOW_STACK_EXECUTION:
        yield "its stacks would be executable"


def check_archive(data, processor, root):
    """The objects: what is not hidden is what the headers declare."""
    visible, count = set(), 0
    for name, body in macho.members(data):
        count += 1
        file = macho.MachO(body)
        for complaint in check_kind(file, processor, macho.OBJECT):
            yield f"{name}: {complaint}"
        for symbol in file.symbols:
            if symbol.common:
                yield f"{name}: {symbol.name} is defined by chance"
            if not symbol.defined or not symbol.external:
                continue
            if not symbol.private:
                visible.add(symbol.name)
            elif not symbol.name.startswith("_co__"):
                yield f"{name}: {symbol.name} is not ours to take"
        if name.startswith("switch"):
            for missing in set(SWITCHES) - {s.name for s in file.symbols}:
                yield f"{name}: no {missing}"
    if not count:
        yield "there is nothing in it"
    yield from symbols.differences(abi(root), "src/coppice.map", visible,
                                   "what the objects show")


def check_imports(file, libraries):
    for name in file.loaded():
        if name not in libraries:
            yield f"it needs {name}"
    if not file.flags & macho.MH_TWOLEVEL:
        yield "it does not say which library a name is of"
    for symbol in file.symbols:
        if symbol.undefined and \
                not 1 <= symbol.library <= len(file.loaded()):
            yield f"{symbol.name} is of no library"


def check_unwinding(file, processor):
    """Each function of the switch has rules, its own, from end to end."""
    where = {symbol.name: symbol.value for symbol in file.symbols
             if symbol.defined}
    entries = file.unwind_entries()
    for name in SWITCHES:
        if name not in where:
            yield f"no symbol {name}"
            continue
        start = where[name]
        encoding = dict(entries).get(start)
        if encoding is None:
            yield f"no unwind information begins at {name}"
            continue
        if encoding & 0x0F000000 != DWARF[processor]:
            yield f"{name} has the compact rules {encoding:#x}, which can not" \
                " describe it"
            continue
        try:
            fde = file.fde(encoding & 0xFFFFFF)
        except macho.BadFile as error:
            yield f"{name}: {error}"
            continue
        following = min((a for a, _ in entries if a > start), default=start)
        if fde.start != start or not start < fde.end <= following:
            yield f"{name}: its rules are for {fde.start:#x} to {fde.end:#x}"
        # Before the first instruction; the CFA may be defined before it.
        undefined = bytes([0x07, RETURN_ADDRESS[processor]])
        if name == "_co__switch_entry" and \
                undefined not in fde.instructions[:5]:
            yield f"unwinding does not end at {name}"


def check_dylib(data, processor, root):
    file = macho.MachO(data)
    yield from check_kind(file, processor, macho.DYLIB)
    if not file.install_name().startswith("@rpath/libcoppice."):
        yield f"it is to be found as {file.install_name()}"
    yield from symbols.differences(abi(root), "src/coppice.map",
                                   file.exports(), "what it exports")
    yield from check_imports(file, ["/usr/lib/libSystem.B.dylib"])
    yield from check_unwinding(file, processor)


def check_program(data, processor, root, libraries=()):
    """A program, made with the archive unless it is given a library."""
    file = macho.MachO(data)
    yield from check_kind(file, processor, macho.EXECUTE)
    if not file.flags & macho.MH_PIE or not file.find(macho.LC_MAIN):
        yield "it is no program as macOS wants it"
    if processor == "aarch64" and not file.find(macho.LC_CODE_SIGNATURE):
        yield "it is not signed: no such processor would run it"
    yield from check_imports(file,
                             ["/usr/lib/libSystem.B.dylib", *libraries])
    if not libraries:
        yield from check_unwinding(file, processor)
        return
    for symbol in file.symbols:
        if symbol.name in abi(root) and not symbol.undefined:
            yield f"{symbol.name} is in the program, not in the library"
    if not set(libraries) & set(file.loaded()):
        yield "it does not use the library"


def check_linked(data, processor, root):
    yield from check_program(data, processor, root,
                             ["@rpath/libcoppice.0.dylib"])


CHECKS = {"archive": check_archive, "dylib": check_dylib,
          "program": check_program, "linked": check_linked}


def complaints(what, data, processor, root):
    try:
        return list(CHECKS[what](data, processor, root))
    except macho.BadFile as error:
        return [str(error)]


def main(root, processor, what, *files):
    count = 0
    for path in map(pathlib.Path, files):
        for text in complaints(what, path.read_bytes(), processor,
                               pathlib.Path(root)):
            print(f"{path.name}: {text}")
            count += 1
    print(f"{len(files)} files, {count} complaints")
    return 1 if count or not files else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
