/* SPDX-License-Identifier: MIT */
/* Enabling the hooks, pausing them, and who is never touched.
 * "library threads work". Groups stay enabled, so each test has a process. */
#include "hook/hook_support.h"

#include "hook/hook.h"

#include <coppice/call.h>
#include <coppice/fd.h>
#include <coppice/pipe.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

static int fds[2];
static char got[8];
static struct hook_call call;

static ssize_t by_read(struct hook_call *c)
{
    return read(c->fd, c->data, c->len);
}

static void prepare(void)
{
    hook_pair(fds);
    call = (struct hook_call){
        .fn = by_read, .fd = fds[0], .data = got, .len = sizeof(got)};
}

/* ---- enabling ------------------------------------------------------------ */

START_TEST(no_groups_are_einval)
{
    ck_assert_uint_eq(co_hook_enabled(), 0);
    ck_assert_int_eq(co_hook_enable(0), -EINVAL);
    ck_assert_int_eq(co_hook_enable(CO_HOOK_ALL + 1), -EINVAL);
    ck_assert_uint_eq(co_hook_enabled(), 0);
    ck_assert_str_eq(co_hook_problem(), "");
}
END_TEST

START_TEST(groups_are_added)
{
    ck_assert_int_eq(co_hook_enable(CO_HOOK_TIME), 0);
    ck_assert_uint_eq(co_hook_enabled(), CO_HOOK_TIME);
    ck_assert_int_eq(co_hook_enable(CO_HOOK_IO), 0);
    ck_assert_uint_eq(co_hook_enabled(), CO_HOOK_TIME | CO_HOOK_IO);
    ck_assert_int_eq(co_hook_enable(CO_HOOK_ALL), 0);
    ck_assert_uint_eq(co_hook_enabled(), CO_HOOK_ALL);
    ck_assert_str_eq(co_hook_problem(), "");
}
END_TEST

/* A read that may not wait says so by its own flag; one that the thread blocks
 * in would never return. */
CO_TASK_TEST(a_group_that_is_off_leaves_its_calls_alone)
{
    co_task *task;

    ck_assert_int_eq(co_hook_enable(CO_HOOK_TIME), 0);
    prepare();
    hook_limit(fds[0], SO_RCVTIMEO, 8);
    hook_begin(&call);
    ck_assert_int_eq(call.done, 1); /* the thread has waited */
    ck_assert_int_eq(hook_end(&call), -EAGAIN);
    ck_assert_int_eq(co_hook_enable(CO_HOOK_IO), 0);
    hook_limit(fds[0], SO_RCVTIMEO, 0);
    hook_begin_waiting(&call);
    task = call.task;
    co_cancel(task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_close(fds);
}

/* "symbol versions": of two conditions, one has a layout of thirty
 * years ago. */
START_TEST(conditions_are_those_of_today)
{
    void *today = dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");
    void *ours;

    hook_on();
    memcpy(&ours, &co__real.pthread_cond_wait, sizeof(ours));
    if (today) /* sanitizers stand ahead of it */
        ck_assert(ours == today || CO_TEST_SLOW);
}
END_TEST

/* ---- pausing ------------------------------------------------------------- */

static int paused_read(int how)
{
    int n = -1;

    for (int i = 0; i < 2; i++) {
        co_hook_pause
        {
            co_hook_pause n = (int)read(fds[0], got, sizeof(got));
            if (how == 1)
                break;
            if (how == 2)
                return n;
            if (how == 3)
                goto out;
        }
    }
out:
    return n;
}

/* With SO_RCVTIMEO the thread does come back. */
CO_TASK_TEST(a_paused_read_blocks_the_thread)
{
    hook_on();
    prepare();
    hook_limit(fds[0], SO_RCVTIMEO, 4);
    for (int how = 0; how < 4; how++) {
        ck_assert_int_eq(paused_read(how), -1);
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert_uint_eq(co_self()->paused, 0);
    }
    hook_limit(fds[0], SO_RCVTIMEO, 0);
    hook_begin_waiting(&call);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&call), 3);
    hook_close(fds);
}

/* It is the task's, over waits of Coppice's own too. */
CO_TASK_TEST(a_pause_is_of_one_task)
{
    hook_on();
    prepare();
    co_hook_pause
    {
        hook_begin_waiting(&call);
        ck_assert_int_eq(co_sleep(1), 0);
        hook_put(fds[1], "abc");
        ck_assert_int_eq(hook_end(&call), 3);
    }
    hook_close(fds);
}

START_TEST(a_pause_outside_tasks_is_nothing)
{
    int times = 0;

    hook_on();
    co_hook_pause times++;
    ck_assert_int_eq(times, 1);
}
END_TEST

/* ---- who is never touched ------------------------------------------------ */

static atomic_int waits;

static void *read_in_thread(void *unused)
{
    ssize_t n;

    (void)unused;
    atomic_store(&waits, 1);
    n = read(fds[0], got, sizeof(got));
    return co_test_number(n);
}

/* Two threads that speak to each other know nothing of a loop. */
CO_TASK_TEST(a_thread_without_a_loop_blocks)
{
    pthread_t thread;
    void *n;

    hook_on();
    prepare();
    ck_assert_int_eq(pthread_create(&thread, NULL, read_in_thread, NULL), 0);
    while (!atomic_load(&waits))
        co_test_yield();
    hook_put(fds[1], "abc");
    ck_assert_int_eq(pthread_join(thread, &n), 0);
    ck_assert_int_eq(co_test_return(n), 3);
    hook_close(fds);
}

/* "cancellation points": for threads without a loop they are what
 * they were. */
START_TEST(a_thread_without_a_loop_can_be_cancelled)
{
    pthread_t thread;
    void *r;

    hook_on();
    prepare();
    ck_assert_int_eq(pthread_create(&thread, NULL, read_in_thread, NULL), 0);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, &r), 0);
    ck_assert_ptr_eq(r, PTHREAD_CANCELED);
    hook_close(fds);
}
END_TEST

START_TEST(outside_tasks_the_thread_blocks)
{
    hook_on();
    prepare();
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_do(&call), 3);
    hook_limit(fds[0], SO_RCVTIMEO, 4);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_eq(poll(NULL, 0, 1), 0);
    hook_close(fds);
}
END_TEST

static int called;

static void read_in_callback(void *unused)
{
    (void)unused;
    called = (int)hook_do(&call);
}

CO_TASK_TEST(in_a_callback_of_the_loop_the_thread_blocks)
{
    co_call soon = {.fn = read_in_callback};

    hook_on();
    prepare();
    hook_limit(fds[0], SO_RCVTIMEO, 4);
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &soon), 0);
    while (!called)
        co_test_yield();
    ck_assert_int_eq(called, -EAGAIN);
    hook_close(fds);
}

/* What Coppice has made is non-blocking, and plain calls say so. */
CO_TASK_TEST(a_descriptor_of_ours_stays_non_blocking)
{
    hook_on();
    ck_assert_int_eq(co_pipe(fds), 0);
    call = (struct hook_call){
        .fn = by_read, .fd = fds[0], .data = got, .len = sizeof(got)};
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
    ck_assert_int_eq(hook_do(&call), 3);
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.enable");
    TCase *tc = tcase_create("enable");

    co_test_check_fds(tc);
    tcase_add_test(tc, no_groups_are_einval);
    tcase_add_test(tc, groups_are_added);
    tcase_add_test(tc, a_group_that_is_off_leaves_its_calls_alone);
    tcase_add_test(tc, conditions_are_those_of_today);
    tcase_add_test(tc, a_paused_read_blocks_the_thread);
    tcase_add_test(tc, a_pause_is_of_one_task);
    tcase_add_test(tc, a_pause_outside_tasks_is_nothing);
    tcase_add_test(tc, a_thread_without_a_loop_blocks);
    tcase_add_test(tc, a_thread_without_a_loop_can_be_cancelled);
    tcase_add_test(tc, outside_tasks_the_thread_blocks);
    tcase_add_test(tc, in_a_callback_of_the_loop_the_thread_blocks);
    tcase_add_test(tc, a_descriptor_of_ours_stays_non_blocking);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN_FORKED(suite)
