# SPDX-License-Identifier: MIT
"""Reading Mach-O files of 64 bits, as far as the checks beside this need it:
what otool -l, nm, dyldinfo -export and unwinddump would tell."""

import struct

ARM64, X86_64 = 0x0100000C, 0x01000007
OBJECT, EXECUTE, DYLIB = 1, 2, 6
MH_TWOLEVEL, MH_ALLOW_STACK_EXECUTION, MH_PIE = 0x80, 0x20000, 0x200000
LC_SYMTAB, LC_LOAD_DYLIB, LC_ID_DYLIB = 0x2, 0xC, 0xD
LC_SEGMENT_64, LC_CODE_SIGNATURE, LC_BUILD_VERSION = 0x19, 0x1D, 0x32
LC_DYLD_INFO_ONLY, LC_MAIN = 0x80000022, 0x80000028
LC_DYLD_EXPORTS_TRIE = 0x80000033


class BadFile(Exception):
    pass


def text(data, start, end=None):
    return data[start:data.index(b"\0", start, end)].decode()


def uleb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


class Symbol:
    def __init__(self, name, kind, section, description, value):
        self.name = name
        self.value = value
        self.external = bool(kind & 0x01)
        self.private = bool(kind & 0x10)
        self.defined = kind & 0x0E == 0x0E
        self.undefined = kind & 0x0E == 0 and value == 0
        self.common = kind & 0x0E == 0 and value != 0
        self.library = description >> 8  # 1: the first that is loaded


class Section:
    def __init__(self, name, addr, data):
        self.name, self.addr, self.data = name, addr, data


class Fde:
    """One function's rules: its addresses, and the CFI instructions."""

    def __init__(self, start, end, instructions):
        self.start, self.end, self.instructions = start, end, instructions


class MachO:
    def __init__(self, data):
        if len(data) < 32 or data[:4] != b"\xcf\xfa\xed\xfe":
            raise BadFile("not a Mach-O file of 64 bits")
        self.data = data
        (_, self.cpu, _, self.kind, count, _, self.flags,
         _) = struct.unpack_from("<8I", data)
        self.commands = []
        at = 32
        for _ in range(count):
            command, size = struct.unpack_from("<2I", data, at)
            self.commands.append((command, data[at:at + size]))
            at += size
        self.sections = list(self._sections())
        self.symbols = list(self._symbols())

    def find(self, wanted):
        return [body for command, body in self.commands if command == wanted]

    def _sections(self):
        for body in self.find(LC_SEGMENT_64):
            count, = struct.unpack_from("<I", body, 64)
            for i in range(count):
                at = 72 + 80 * i
                name = body[at:at + 16].rstrip(b"\0").decode()
                addr, size, offset = struct.unpack_from("<2QI", body, at + 32)
                yield Section(name, addr, self.data[offset:offset + size])

    def section(self, name):
        for section in self.sections:
            if section.name == name:
                return section
        raise BadFile(f"no section {name}")

    def _symbols(self):
        for body in self.find(LC_SYMTAB):
            offset, count, names, _ = struct.unpack_from("<4I", body, 8)
            for i in range(count):
                name, kind, section, description, value = struct.unpack_from(
                    "<IBBHQ", self.data, offset + 16 * i)
                if not kind & 0xE0:  # else it is for debuggers
                    yield Symbol(text(self.data, names + name), kind, section,
                                 description, value)

    def minimum_version(self):
        """(platform, "11.0"), or None."""
        for body in self.find(LC_BUILD_VERSION):
            platform, version = struct.unpack_from("<2I", body, 8)
            return platform, f"{version >> 16}.{version >> 8 & 0xFF}"
        return None

    def _dylib_name(self, body):
        return text(body, struct.unpack_from("<I", body, 8)[0])

    def install_name(self):
        return "".join(map(self._dylib_name, self.find(LC_ID_DYLIB)))

    def loaded(self):
        return list(map(self._dylib_name, self.find(LC_LOAD_DYLIB)))

    def exports(self):
        """The names in the export trie, which is what dyld looks at."""
        where = [struct.unpack_from("<2I", body, 40)
                 for body in self.find(LC_DYLD_INFO_ONLY)]
        where += [struct.unpack_from("<2I", body, 8)
                  for body in self.find(LC_DYLD_EXPORTS_TRIE)]
        names = set()
        for offset, size in where:
            trie = self.data[offset:offset + size]
            todo = [(0, "")] if size else []
            while todo:
                at, prefix = todo.pop()
                terminal, at = uleb(trie, at)
                if terminal:
                    names.add(prefix)
                at += terminal
                children, at = trie[at], at + 1
                for _ in range(children):
                    edge = text(trie, at)
                    child, at = uleb(trie, at + len(edge) + 1)
                    todo.append((child, prefix + edge))
        return names

    def base(self):
        """The address that offsets in __unwind_info count from."""
        for body in self.find(LC_SEGMENT_64):
            if body[8:24].rstrip(b"\0") == b"__TEXT":
                return struct.unpack_from("<Q", body, 24)[0]
        raise BadFile("no segment __TEXT")

    def unwind_entries(self):
        """[(address, encoding)], ascending: each is valid up to the next."""
        info, base = self.section("__unwind_info").data, self.base()
        (version, common_at, common_count, _, _, index_at,
         index_count) = struct.unpack_from("<7I", info)
        if version != 1:
            raise BadFile(f"version {version} of __unwind_info")
        common = struct.unpack_from(f"<{common_count}I", info, common_at)
        entries = []
        for i in range(index_count):
            function, page, _ = struct.unpack_from("<3I", info,
                                                   index_at + 12 * i)
            if not page:  # the last: where it all ends
                entries.append((base + function, 0))
                continue
            kind, at, count = struct.unpack_from("<IHH", info, page)
            if kind == 2:
                for k in range(count):
                    start, encoding = struct.unpack_from("<2I", info,
                                                         page + at + 8 * k)
                    entries.append((base + start, encoding))
                continue
            own_at, own_count = struct.unpack_from("<2H", info, page + 8)
            own = struct.unpack_from(f"<{own_count}I", info, page + own_at)
            for k in range(count):
                word, = struct.unpack_from("<I", info, page + at + 4 * k)
                which = word >> 24
                entries.append((base + function + (word & 0xFFFFFF),
                                (common + own)[which]))
        return entries

    def fde(self, offset):
        """The FDE at an offset in __eh_frame, whose addresses are relative."""
        section = self.section("__eh_frame")
        length, back = struct.unpack_from("<2I", section.data, offset)
        cie = offset + 4 - back
        if not length or not back or not 0 <= cie < offset:
            raise BadFile(f"no FDE at offset {offset:#x} of __eh_frame")
        if section.data[cie + 9:cie + 12] != b"zR\0":
            raise BadFile("an FDE of an unknown kind")
        start, size = struct.unpack_from("<qQ", section.data, offset + 8)
        start += section.addr + offset + 8
        extra, at = uleb(section.data, offset + 24)
        return Fde(start, start + size,
                   section.data[at + extra:offset + 4 + length])


def members(data):
    """(name, bytes) of each object in an archive, whichever way it is laid."""
    if data[:8] != b"!<arch>\n":
        raise BadFile("not an archive")
    names, at = b"", 8
    while at < len(data):
        name = data[at:at + 16].decode().rstrip()
        size = int(data[at + 48:at + 58])
        body = data[at + 60:at + 60 + size]
        at += 60 + size + size % 2
        if name.startswith("#1/"):
            length = int(name[3:])
            name = body[:length].rstrip(b"\0").decode()
            body = body[length:]
        elif name == "//":
            names = body
            continue
        elif name[:1] == "/" and name[1:].isdigit():
            name = names[int(name[1:]):].split(b"/\n")[0].decode()
        if name != "/" and not name.startswith("__.SYMDEF"):
            yield name.rstrip("/"), body
