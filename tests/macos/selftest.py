#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""selftest.py ROOT PROCESSOR ARCHIVE DYLIB PROGRAM

What artefacts.py must find is broken on purpose, in copies of the artefacts.
"""

import pathlib
import struct
import sys
import unittest
import unittest.mock

import artefacts
import macho

ROOT, PROCESSOR, *FILES = sys.argv[1:]
ROOT = pathlib.Path(ROOT)
ARCHIVE, DYLIB, PROGRAM = (pathlib.Path(name).read_bytes() for name in FILES)
OTHER = {"aarch64": "x86_64", "x86_64": "aarch64"}[PROCESSOR]


def patched(data, at, form, *values):
    copy = bytearray(data)
    struct.pack_into(form, copy, at, *values)
    return bytes(copy)


def command_at(data, wanted):
    """Where the first such load command is."""
    at = 32
    for command, body in macho.MachO(data).commands:
        if command == wanted:
            return at
        at += len(body)
    raise AssertionError("no such command")


class Artefacts(unittest.TestCase):
    def complains(self, what, data, about, processor=PROCESSOR, root=ROOT):
        found = artefacts.complaints(what, data, processor, root)
        self.assertTrue(any(about in text for text in found), found)

    def broken_rules(self, name, form, value, about):
        """The dylib with another encoding for one function."""
        file = macho.MachO(DYLIB)
        where = {symbol.name: symbol.value for symbol in file.symbols}
        encoding = dict(file.unwind_entries())[where[name]]
        old, new = struct.pack("<I", encoding), struct.pack(form, value)
        info = file.section("__unwind_info").data
        begin = DYLIB.index(info)
        # The same four bytes may be something else as well.
        for at in range(begin, begin + len(info), 4):
            if DYLIB[at:at + 4] != old:
                continue
            data = DYLIB[:at] + new + DYLIB[at + 4:]
            entries = dict(macho.MachO(data).unwind_entries())
            if entries.get(where[name]) == value:
                self.complains("dylib", data, about)
                return
        self.fail(f"{name} has no encoding of its own")

    def test_what_was_built_passes(self):
        for what, data in (("archive", ARCHIVE), ("dylib", DYLIB),
                           ("program", PROGRAM)):
            self.assertEqual(
                artefacts.complaints(what, data, PROCESSOR, ROOT), [])

    def test_other_files_are_refused(self):
        self.complains("dylib", b"\x7fELF" + bytes(60), "not a Mach-O")
        self.complains("archive", b"not one", "not an archive")
        self.complains("archive", b"!<arch>\n", "nothing in it")

    def test_other_processor_is_seen(self):
        for what, data in (("archive", ARCHIVE), ("dylib", DYLIB),
                           ("program", PROGRAM)):
            self.complains(what, data, "processor", processor=OTHER)

    def test_other_kind_is_seen(self):
        self.complains("dylib", PROGRAM, "kind")
        self.complains("program", DYLIB, "kind")

    def test_later_minimum_version_is_seen(self):
        at = command_at(DYLIB, macho.LC_BUILD_VERSION)
        self.complains("dylib", patched(DYLIB, at + 12, "<I", 13 << 16),
                       "not macOS 11.0")

    def test_executable_stack_is_seen(self):
        flags, = struct.unpack_from("<I", PROGRAM, 24)
        self.complains("program", patched(
            PROGRAM, 24, "<I", flags | macho.MH_ALLOW_STACK_EXECUTION),
            "executable")

    def test_difference_from_the_map_is_seen_both_ways(self):
        self.complains("archive", ARCHIVE.replace(b"_co_now\0", b"_co_won\0"),
                       "_co_now is in src/coppice.map")
        names = artefacts.abi(ROOT)
        with unittest.mock.patch.object(artefacts, "abi",
                                        lambda root: names - {"_co_now"}):
            self.complains("dylib", DYLIB, "_co_now is in what it exports")
            self.complains("archive", ARCHIVE, "_co_now is in what the")
        with unittest.mock.patch.object(artefacts, "abi",
                                        lambda root: names | {"_co_nil"}):
            self.complains("dylib", DYLIB, "_co_nil is in src/coppice.map")
            self.complains("archive", ARCHIVE, "_co_nil is in src/coppice.map")

    def test_other_library_is_seen(self):
        self.complains("dylib", DYLIB.replace(b"/usr/lib/libSystem.B.dylib",
                                              b"/usr/lib/libStrange.dylib\0"),
                       "it needs /usr/lib/libStrange.dylib")

    def test_compact_rules_are_seen(self):
        compact = {"aarch64": 0x02000000, "x86_64": 0x02010000}[PROCESSOR]
        self.broken_rules("_co__switch", "<I", compact, "compact rules")

    def test_rules_of_another_function_are_seen(self):
        file = macho.MachO(DYLIB)
        where = {symbol.name: symbol.value for symbol in file.symbols}
        other = dict(file.unwind_entries())[where["_co__switch_start"]]
        self.broken_rules("_co__switch", "<I", other, "its rules are for")

    def test_rules_that_are_nowhere_are_seen(self):
        self.broken_rules("_co__switch_final", "<I",
                          artefacts.DWARF[PROCESSOR], "no FDE")

    def test_unwinding_that_goes_on_is_seen(self):
        file = macho.MachO(DYLIB)
        where = {symbol.name: symbol.value for symbol in file.symbols}
        encoding = dict(file.unwind_entries())[where["_co__switch_entry"]]
        rules = file.fde(encoding & 0xFFFFFF).instructions
        section = file.section("__eh_frame")
        at = DYLIB.index(section.data) + \
            section.data.index(rules, encoding & 0xFFFFFF)
        self.complains("dylib", patched(DYLIB, at, f"{len(rules)}x"),
                       "does not end")


if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Artefacts)
    result = unittest.TextTestRunner().run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
