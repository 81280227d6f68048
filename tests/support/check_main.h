/* SPDX-License-Identifier: MIT */
/* support/check_main.h - main() of every Check program, and what tests share.
 *
 * A test file ends with CO_TEST_MAIN(suite), where suite is a function that
 * makes its Suite. The program returns 0 only if test cases ran and none
 * failed, and it tells tests/support/run-test how many there were, so that a
 * program that stops half way is never taken for one that passed.
 *
 * Under the sanitizers and valgrind all test cases run in one process, since
 * their reports end with it; under an emulator, which would translate for each
 * process anew. A file whose tests must die (an overflow, an assertion) ends
 * with CO_TEST_MAIN_FORKED instead and keeps a process a case. CK_FORK in the
 * environment wins over both.
 */
#ifndef CO_TESTS_SUPPORT_CHECK_MAIN_H
#define CO_TESTS_SUPPORT_CHECK_MAIN_H

#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef CO_TEST_ONE_PROCESS
#define CO_TEST_ONE_PROCESS 0
#endif

/* 1 where everything takes a multiple of its time: sanitizers, valgrind, an
 * emulated processor. Set by the build. */
#ifndef CO_TEST_SLOW
#define CO_TEST_SLOW 0
#endif

/* Each check that holds writes down its place, for a report of where a child
 * died. In one process nobody would read that, and under valgrind it takes
 * longer than what is checked. */
#if CO_TEST_ONE_PROCESS
#define _mark_point(file, line) ((void)0)
#endif

/* 1 under valgrind, which is slower by far. Set by the build. */
#ifndef CO_TEST_MEMCHECK
#define CO_TEST_MEMCHECK 0
#endif

/* The process that has to finish; 0 when it has. Check's children inherit it
 * and are not meant. */
static pid_t co_test_unfinished;

/* 1 where an emulator runs the tests, which has bugs of its own. Set by the
 * build. */
#ifndef CO_TEST_EMULATED
#define CO_TEST_EMULATED 0
#endif

/* 1 where a library closes and opens descriptors on a thread of its own. Set by
 * the build. */
#ifndef CO_TEST_FDS_VARY
#define CO_TEST_FDS_VARY 0
#endif

/* How many of something a test makes: fewer where everything is slow. */
static inline int co_test_scale(int full, int reduced)
{
    return CO_TEST_SLOW ? reduced : full;
}

/* The same for what has to be many with the sanitizers, too. */
static inline int co_test_crawl(int full, int reduced)
{
    return CO_TEST_MEMCHECK || CO_TEST_EMULATED ? reduced : full;
}

/* The number of descriptors that this process has open, or -1. */
static inline int co_test_fds_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return -1;

    int count = -1; /* the descriptor of dir itself */
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.')
            count++;
    }
    closedir(dir);
    return count;
}

static int co_test_fds_before;

static inline void co_test_fds_remember(void)
{
    co_test_fds_before = co_test_fds_open();
}

static inline void co_test_fds_compare(void)
{
    ck_assert_msg(CO_TEST_FDS_VARY || co_test_fds_open() == co_test_fds_before,
                  "%d descriptors open before the test, %d after it",
                  co_test_fds_before, co_test_fds_open());
}

/* Every test of this case fails if it leaves a descriptor open. Fixtures that
 * the case adds later run inside of this one. */
static inline void co_test_check_fds(TCase *tc)
{
    tcase_add_checked_fixture(tc, co_test_fds_remember, co_test_fds_compare);
}

/* A stray exit() must not look like the end of the tests. */
static inline void co_test_at_exit(void)
{
    if (co_test_unfinished == getpid()) {
        fprintf(stderr, "the test program ended before its tests had\n");
        fflush(NULL);
        _exit(98);
    }
}

static inline bool co_test_report(int ran, int failed)
{
    const char *path = getenv("COPPICE_TEST_COUNTS");
    const char *name = getenv("COPPICE_TEST_NAME");
    if (!path)
        return true;

    FILE *f = fopen(path, "a");
    if (!f)
        return false;
    fprintf(f, "%d %d %s\n", ran - failed, failed, name ? name : "-");
    return fclose(f) == 0;
}

static inline int co_test_run(Suite *(*suite)(void), bool forked)
{
    co_test_unfinished = getpid();
    atexit(co_test_at_exit);

    /* Check's four seconds are short on a busy machine, and ctest has a
     * limit for the program. */
    setenv("CK_DEFAULT_TIMEOUT", CO_TEST_SLOW ? "170" : "50", 0);

    SRunner *runner = srunner_create(suite());
    if (!getenv("CK_FORK") && CO_TEST_ONE_PROCESS && !forked)
        srunner_set_fork_status(runner, CK_NOFORK);
    bool together = srunner_fork_status(runner) == CK_NOFORK;
    srunner_run_all(runner, CK_ENV);

    int ran = srunner_ntests_run(runner);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    co_test_unfinished = 0;

    if (ran == 0)
        fprintf(stderr, "no test case ran\n");
    /* A failed check jumps off its task's stack and leaves the loop running. */
    if (failed > 0 && together)
        fprintf(stderr, "believe the first failure only: all test cases share "
                        "this process (CK_FORK=yes parts them)\n");
    if (!co_test_report(ran, failed)) {
        fprintf(stderr, "cannot report the number of test cases\n");
        return 97;
    }
    return ran > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define CO_TEST_MAIN(suite)                                                    \
    int main(void)                                                             \
    {                                                                          \
        return co_test_run(suite, false);                                      \
    }

#define CO_TEST_MAIN_FORKED(suite)                                             \
    int main(void)                                                             \
    {                                                                          \
        return co_test_run(suite, true);                                       \
    }

#endif
