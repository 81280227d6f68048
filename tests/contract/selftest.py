#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""selftest.py layers|limits|symbols|waits - do the contract tests see a breach?

Each test gets a small tree that keeps its rules, then the same tree with one
breach after another, and has to complain about every one of them.
"""

import pathlib
import sys
import tempfile
import unittest

import layers
import limits
import symbols
import waits

SPDX = "/* SPDX-License-Identifier: MIT */\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name).resolve()

    def put(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SPDX + text, encoding="utf-8")


class Layers(Tree):
    def setUp(self):
        super().setUp()
        self.put("include/coppice.h", "#include <coppice/fd.h>\n")
        self.put("include/coppice/base.h", "#include <stddef.h>\n")
        self.put("include/coppice/fd.h", "#include <coppice/base.h>\n")
        self.put("src/base/list.h", "#include <coppice/base.h>\n")
        self.put("src/core/poller.h", '#include "base/list.h"\n')
        self.put("src/core/sched.c", '#include "core/poller.h"\n')
        self.put("src/poll/epoll.c", '#include "core/poller.h"\n')
        self.put("src/io/fd.c", "#include <coppice/fd.h>\n")

    def complaints(self):
        return layers.check(self.root)[0]

    def complains(self, name, text, about):
        self.put(name, text)
        found = self.complaints()
        self.assertEqual(len(found), 1, found)
        self.assertIn(about, found[0])

    def test_downward_includes_are_allowed(self):
        self.assertEqual(self.complaints(), [])
        self.assertEqual(layers.check(self.root)[1], 7)

    def test_upward_include_between_sources_is_seen(self):
        self.put("src/io/fdtable.h", "")
        self.complains("src/core/bad.c", '#include "io/fdtable.h"\n',
                       "upwards")

    def test_upward_include_of_a_public_header_is_seen(self):
        self.complains("src/base/bad.c", "#  include <coppice/fd.h>\n",
                       "upwards")

    def test_upward_include_by_a_relative_path_is_seen(self):
        self.put("src/io/fdtable.h", "")
        self.complains("src/core/bad.h", '#include "../io/fdtable.h"\n',
                       "upwards")

    def test_core_reaching_into_a_backend_is_seen(self):
        self.put("src/poll/epoll.h", "")
        self.complains("src/core/bad.c", '#include "poll/epoll.h"\n',
                       "upwards")

    def test_arch_above_nothing_is_seen(self):
        self.complains("arch/bad.h", '#include "base/list.h"\n', "upwards")

    def test_umbrella_inside_the_library_is_seen(self):
        self.complains("src/io/bad.c", "#include <coppice.h>\n", "umbrella")

    def test_private_include_in_a_public_header_is_seen(self):
        self.complains("include/coppice/fd.h",
                       '#include "../../src/base/list.h"\n', "private")

    def test_missing_file_is_seen(self):
        self.complains("src/io/bad.c", '#include "core/nothing.h"\n',
                       "no file")

    def test_header_of_no_layer_is_seen(self):
        self.complains("include/coppice/novelty.h", "", "no layer")

    def test_folder_of_no_layer_is_seen(self):
        self.complains("src/util/misc.c", "", "no layer")


class Limits(Tree):
    def complaints(self, name, text):
        self.put(name, text)
        return limits.check(self.root)[0]

    def complains(self, name, text, about):
        found = self.complaints(name, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(about, found[0])

    def test_file_within_its_limits_passes(self):
        body = "int f(void)\n{\n" + "    g();\n" * 70 + "}\n"
        self.assertEqual(self.complaints("src/base/a.c", body), [])

    def test_long_header_is_seen(self):
        self.complains("include/coppice/a.h", "\n" * 150, "151 lines")

    def test_long_source_is_seen(self):
        self.complains("src/base/a.c", "\n" * 600, "601 lines")

    def test_long_function_is_seen(self):
        body = "int f(void)\n{\n" + "    g();\n" * 71 + "}\n"
        self.complains("src/base/a.c", body, "71 lines")

    def test_wide_line_is_seen(self):
        self.complains("src/base/a.c", "x" * 81 + "\n", "81 columns")

    def test_tab_is_seen(self):
        self.complains("src/base/a.c", "\tx\n", "a tab")

    def test_event_header_in_public_is_seen(self):
        self.complains("include/coppice/a.h", "#include <sys/epoll.h>\n",
                       "event header")

    def test_stray_file_at_the_top_is_seen(self):
        self.complains("notes.txt", "", "top level")

    def test_missing_licence_is_seen(self):
        path = self.root / "src/base/a.c"
        path.parent.mkdir(parents=True)
        path.write_text("int a;\n", encoding="utf-8")
        found = limits.check(self.root)[0]
        self.assertEqual(len(found), 1, found)
        self.assertIn("SPDX", found[0])


class Symbols(Tree):
    def setUp(self):
        super().setUp()
        self.put("include/coppice.h", "")
        self.put("include/coppice/a.h", """
#define CO_API /* CO_API int co_not(void); */
CO_API CO_MUST_CHECK int co_one(int (*fn)(void *), void *arg);
CO_API struct co_thing *
co_two(void);
CO_API extern const int co_three;
/* CO_API int co_comment(void); */
CO_API CO__PRINTF(2, 3) int co_four(int a, const char *f, ...);
int co__hidden(void);
""")

    def test_every_form_of_declaration_is_read(self):
        self.assertEqual(symbols.declared(self.root),
                         {"co_one", "co_two", "co_three", "co_four"})

    def test_written_map_is_what_the_headers_declare(self):
        self.put("src/coppice.map", "COPPICE_0 { global: co_old; };\n")
        self.assertEqual(symbols.mapped(self.root), {"co_old"})
        symbols.write_map(self.root)
        self.assertEqual(symbols.mapped(self.root),
                         symbols.declared(self.root))

    def test_difference_is_told_both_ways(self):
        found = list(symbols.differences({"a", "b"}, "one", {"b", "c"}, "two"))
        self.assertEqual(found, ["a is in one, not in two",
                                 "c is in two, not in one"])


class Waits(Tree):
    def complains(self, name, text, count):
        self.put(name, text)
        found, _ = waits.check(self.root)
        self.assertEqual(len(found), count, found)

    def test_a_lock_of_ones_own_is_seen(self):
        self.complains("src/core/bad.c",
                       "void f(void)\n{\n    pthread_mutex_lock(&m);\n}\n", 1)
        self.assertIn("src/core/bad.c:4", waits.check(self.root)[0][0])

    def test_every_kind_of_wait_is_seen(self):
        self.complains(
            "src/io/bad.c", "".join(f"{name}(x);\n" for name in (
                "pthread_mutex_timedlock pthread_cond_wait pthread_once"
                " pthread_cond_timedwait_relative_np pthread_join sem_wait"
                " pthread_rwlock_rdlock pthread_barrier_wait").split()), 8)

    def test_what_does_not_wait_is_allowed(self):
        self.complains(
            "src/io/good.c", "/* pthread_mutex_lock(it) */\n"
            "co__lock(&m); pthread_mutex_unlock(&m);\n"
            "pthread_mutex_trylock(&m); pthread_cond_signal(&c);\n", 0)

    def test_who_is_allowed_is(self):
        self.complains("src/base/lock.c", "pthread_mutex_lock(lock);\n", 0)
        self.complains("src/hook/sync.c", "pthread_once(once, init);\n", 0)


if __name__ == "__main__":
    CASES = {"layers": Layers, "limits": Limits, "symbols": Symbols,
             "waits": Waits}
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(
        CASES[sys.argv[1]])
    result = unittest.TextTestRunner().run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
