/* SPDX-License-Identifier: MIT */
/* support/virtual_clock.h - tests about time that take none.
 *
 * While the virtual clock is on, time stands still while tasks run; a loop with
 * nothing ready jumps to its next timer. A test moves it on by hand where a
 * task is to be slow.
 */
#ifndef CO_TESTS_SUPPORT_VIRTUAL_CLOCK_H
#define CO_TESTS_SUPPORT_VIRTUAL_CLOCK_H

#include "base/clock.h"

#include <check.h>

/* Where it starts: far enough from 0 that no difference becomes negative. */
#define CO_TEST_EPOCH (1000 * CO_SEC)

static inline void co_test_clock_start(void)
{
    co__clock_virtual = 1;
    co__clock_virtual_now = CO_TEST_EPOCH;
}

static inline void co_test_clock_stop(void)
{
    co__clock_virtual = 0;
}

/* Every test of this case runs on the virtual clock. */
static inline void co_test_virtual_clock(TCase *tc)
{
    tcase_add_checked_fixture(tc, co_test_clock_start, co_test_clock_stop);
}

/* How long the test has taken by the virtual clock. */
static inline co_time co_test_clock_elapsed(void)
{
    return co__clock_virtual_now - CO_TEST_EPOCH;
}

/* The running task is busy for so long. */
static inline void co_test_clock_pass(co_time ns)
{
    co__clock_jump(co__clock_virtual_now + ns);
}

#endif
