/* SPDX-License-Identifier: MIT */
/* Reading and writing by the plain calls, in tasks. */
#include <coppice/hook.h>

#include "core/task.h"
#include "support/check_main.h"
#include "support/tasks.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];

static void hooks_on(void)
{
    ck_assert_msg(co_hook_enable(CO_HOOK_ALL) == 0, "%s", co_hook_problem());
}

static void pair_make(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void pair_close(void)
{
    close(ends[0]);
    close(ends[1]);
}

static int read_five(void *arg)
{
    char got[5];
    ssize_t n = read(*(int *)arg, got, sizeof(got));

    return n < 0 ? -errno : (int)n;
}

CO_TASK_TEST(a_read_parks_its_task_alone)
{
    co_task *task;

    pair_make();
    task = co_test_spawn(read_five, &ends[0]);
    co_test_yield();
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    ck_assert_int_eq(write(ends[1], "abc", 3), 3);
    ck_assert_int_eq(co_test_result(task), 3);
    pair_close();
}

CO_TASK_TEST(a_cancelled_read_is_ecanceled)
{
    co_task *task;

    pair_make();
    task = co_test_spawn(read_five, &ends[0]);
    co_test_yield();
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    pair_close();
}

CO_TASK_TEST(a_scope_out_of_time_is_etimedout)
{
    pair_make();
    co_timeout(CO_MS) {
        ck_assert_int_eq(read_five(&ends[0]), -ETIMEDOUT);
    }
    pair_close();
}

CO_TASK_TEST(what_is_closed_meanwhile_is_ebadf)
{
    co_task *task;

    pair_make();
    task = co_test_spawn(read_five, &ends[0]);
    co_test_yield();
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(co_test_result(task), -EBADF);
    ck_assert_int_eq(close(ends[1]), 0);
}

CO_TASK_TEST(a_non_blocking_descriptor_stays_so)
{
    pair_make();
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read_five(&ends[0]), -EAGAIN);
    ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    pair_close();
}

CO_TASK_TEST(a_paused_read_blocks_the_thread)
{
    int others = 0;

    pair_make();
    ck_assert_int_eq(write(ends[1], "abc", 3), 3);
    co_hook_pause
    {
        others = read_five(&ends[0]);
    }
    ck_assert_int_eq(others, 3);
    pair_close();
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.io");
    TCase *tc = tcase_create("io");

    tcase_add_checked_fixture(tc, hooks_on, NULL);
    co_test_check_fds(tc);
    tcase_add_test(tc, a_read_parks_its_task_alone);
    tcase_add_test(tc, a_cancelled_read_is_ecanceled);
    tcase_add_test(tc, a_scope_out_of_time_is_etimedout);
    tcase_add_test(tc, what_is_closed_meanwhile_is_ebadf);
    tcase_add_test(tc, a_non_blocking_descriptor_stays_so);
    tcase_add_test(tc, a_paused_read_blocks_the_thread);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
