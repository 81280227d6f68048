/* SPDX-License-Identifier: MIT */
/* Reports: who gets them, what they say, and what debug mode reports by itself.
 * Time is the virtual clock's: a task is slow when the test says so. */
#include <coppice/call.h>
#include <coppice/fd.h>
#include <coppice/future.h>
#include <coppice/group.h>
#include <coppice/report.h>

#include "support/check_main.h"
#include "support/reports.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <fcntl.h>
#include <string.h>

/* ---- standard error ------------------------------------------------------ */

static char printed[4096];

/* Run fn(arg) in a loop of its own, in debug mode, and keep what it writes to
 * standard error. */
static int run_printed(co_task_fn fn, void *arg, int debug)
{
    co_loop_options options = {.size = sizeof(options), .debug = debug};
    int saved = dup(STDERR_FILENO), fds[2], r, result = 0;
    ssize_t n;

    fflush(stderr);
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    dup2(fds[1], STDERR_FILENO);
    r = co_run_with(&options, fn, arg, &result);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    n = read(fds[0], printed, sizeof(printed) - 1);
    close(fds[0]);
    printed[n > 0 ? n : 0] = '\0';
    ck_assert_int_eq(r, 0);
    return result;
}

/* ---- who gets them ------------------------------------------------------- */

static const co_report *given;
static co_loop *given_loop;
static void *given_arg;

static void keep(co_loop *loop, const co_report *report, void *arg)
{
    given = report;
    given_loop = loop;
    given_arg = arg;
}

CO_TASK_TEST(handler_gets_the_report_and_its_argument)
{
    co_loop *loop = co_loop_running();
    co_report report = {.size = sizeof(report), .message = "so it is"};
    void *arg = NULL;
    int mine;

    given = NULL;
    ck_assert(!co_loop_error_handler(loop, &arg));
    ck_assert_int_eq(co_loop_set_error_handler(loop, keep, &mine), 0);
    ck_assert(co_loop_error_handler(loop, &arg) == keep);
    ck_assert_ptr_eq(arg, &mine);
    ck_assert(co_loop_error_handler(loop, NULL) == keep);
    ck_assert_int_eq(co_loop_report(loop, &report), 0);
    ck_assert_ptr_eq(given, &report);
    ck_assert_ptr_eq(given_loop, loop);
    ck_assert_ptr_eq(given_arg, &mine);
    ck_assert_int_eq(co_loop_set_error_handler(loop, NULL, NULL), 0);
    ck_assert(!co_loop_error_handler(loop, &arg));
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    co_loop *loop = co_loop_running();
    co_report good = {.size = sizeof(good), .message = "x"};
    co_report small = {.size = 8, .message = "x"};
    co_report mute = {.size = sizeof(mute)};

    ck_assert_int_eq(co_loop_set_error_handler(NULL, keep, NULL), -EINVAL);
    ck_assert(!co_loop_error_handler(NULL, NULL));
    ck_assert_int_eq(co_loop_report(NULL, &good), -EINVAL);
    ck_assert_int_eq(co_loop_report(loop, NULL), -EINVAL);
    ck_assert_int_eq(co_loop_report(loop, &small), -EINVAL);
    ck_assert_int_eq(co_loop_report(loop, &mute), -EINVAL);
}

static int print_reports(void *unused)
{
    co_report all = {.size = sizeof(all),
                     .message = "has lost its way",
                     .name = "scout",
                     .site = "wood.c:12",
                     .task = co_self(),
                     .error = -EIO};
    co_report least = {.size = sizeof(least), .message = "it rains"};

    (void)unused;
    ck_assert_int_eq(co_loop_report(co_loop_running(), &all), 0);
    all.task = NULL;
    all.name = NULL;
    ck_assert_int_eq(co_loop_report(co_loop_running(), &all), 0);
    all.site = NULL;
    all.error = 0;
    ck_assert_int_eq(co_loop_report(co_loop_running(), &all), 0);
    ck_assert_int_eq(co_loop_report(co_loop_running(), &least), 0);
    return 0;
}

START_TEST(without_a_handler_a_report_is_a_line_on_standard_error)
{
    ck_assert_int_eq(run_printed(print_reports, NULL, 0), 0);
    ck_assert_str_eq(printed, "coppice: task \"scout\" (wood.c:12) has lost "
                              "its way: Input/output error\n"
                              "coppice: (wood.c:12) has lost its way: "
                              "Input/output error\n"
                              "coppice: has lost its way\n"
                              "coppice: it rains\n");
}
END_TEST

static void pass_on(co_loop *loop, const co_report *report, void *unused)
{
    co_loop_report_default(loop, report, unused);
}

static int report_through_handler(void *unused)
{
    co_report report = {.size = sizeof(report), .message = "it rains"};

    (void)unused;
    co_loop_set_error_handler(co_loop_running(), pass_on, NULL);
    return co_loop_report(co_loop_running(), &report);
}

START_TEST(handler_can_pass_a_report_on)
{
    ck_assert_int_eq(run_printed(report_through_handler, NULL, 0), 0);
    ck_assert_str_eq(printed, "coppice: it rains\n");
}
END_TEST

/* ---- slow tasks ---------------------------------------------------------- */

static int line_of_spawn;

static int block(void *ms)
{
    co_test_clock_pass((intptr_t)ms * CO_MS);
    return 0;
}

static int block_between_waits(void *ms)
{
    ck_assert_int_eq(co_sleep(CO_SEC), 0); /* waiting is not blocking */
    for (int i = 0; i < 3; i++) {
        co_test_clock_pass((intptr_t)ms * CO_MS);
        co_test_yield();
    }
    return co_sleep(CO_SEC);
}

static int slow_and_fast(void *unused)
{
    co_spawn_options slow = {.size = sizeof(slow), .name = "slow"};
    co_task *task[3];

    (void)unused;
    line_of_spawn = __LINE__ + 1;
    task[0] = co_spawn_with(&slow, block, co_test_number(100));
    task[1] = co_test_spawn(block, co_test_number(99));
    task[2] = co_test_spawn(co_test_return, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    return 0;
}

START_TEST(slow_task_is_reported_with_name_and_site)
{
    ck_assert_int_eq(co_test_run_reported(slow_and_fast, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_str_eq(co_test_reported.seen[0].name, "slow");
    ck_assert_str_eq(co_test_reported.seen[0].message,
                     "blocked its loop for 100 ms");
    ck_assert(co_test_report_is_of(0, __FILE__, line_of_spawn));
    ck_assert_int_eq(co_test_reported.seen[0].had_task, 1);
    ck_assert_int_eq(co_test_reported.seen[0].error, 0);
}
END_TEST

static int slow_steps(void *unused)
{
    (void)unused;
    return co_test_result(
        co_test_spawn(block_between_waits, co_test_number(150)));
}

START_TEST(each_slow_step_is_reported_once)
{
    ck_assert_int_eq(co_test_run_reported(slow_steps, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(co_test_reported.seen[i].message,
                         "blocked its loop for 150 ms");
}
END_TEST

START_TEST(first_task_is_watched_to_its_last_step)
{
    ck_assert_int_eq(co_test_run_reported(block, co_test_number(200)), 0);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_str_eq(co_test_reported.seen[0].message,
                     "blocked its loop for 200 ms");
    ck_assert_int_eq(
        co_test_run_reported(block_between_waits, co_test_number(200)), 0);
    ck_assert_int_eq(co_test_reported.count, 3);
}
END_TEST

static int never_wait(void *unused)
{
    co_future *future = co_future_new();

    (void)unused;
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    for (int i = 0; i < 128; i++) {
        co_test_clock_pass(CO_MS);
        ck_assert_int_eq(co_wait(future, NULL), 0);
    }
    co_future_unref(future);
    return 0;
}

/* Giving way by itself once in a while ends a step too: none of these is as
 * long as 100 ms, but for the one that is not interrupted. */
static int never_wait_long(void *unused)
{
    co_future *future = co_future_new();

    (void)unused;
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    co_test_clock_pass(150 * CO_MS);
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(co_wait(future, NULL), 0);
    co_test_clock_pass(50 * CO_MS);
    co_future_unref(future);
    return 0;
}

START_TEST(step_ends_where_a_task_gives_way_by_itself)
{
    ck_assert_int_eq(co_test_run_reported(never_wait, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 0);
    ck_assert_int_eq(co_test_run_reported(never_wait_long, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 1);
}
END_TEST

static int block_briefly(void *unused)
{
    (void)unused;
    co_test_clock_pass(2 * CO_MS);
    co_test_yield();
    co_test_clock_pass(CO_MS);
    return 0;
}

START_TEST(what_is_slow_is_the_loops_option)
{
    co_loop_options options = {
        .size = sizeof(options), .debug = 1, .slow_ns = 2 * CO_MS};
    co_loop *loop = co_loop_new(&options);

    memset(&co_test_reported, 0, sizeof(co_test_reported));
    co_loop_set_error_handler(loop, co_test_keep_report, NULL);
    ck_assert_int_eq(co_loop_run_until(loop, block_briefly, NULL, NULL), 0);
    co_loop_free(loop);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_str_eq(co_test_reported.seen[0].message,
                     "blocked its loop for 2 ms");
}
END_TEST

static int block_with_debug_changing(void *unused)
{
    co_loop *loop = co_loop_running();

    (void)unused;
    memset(&co_test_reported, 0, sizeof(co_test_reported));
    co_loop_set_error_handler(loop, co_test_keep_report, NULL);
    for (int on = 0; on < 3; on++) {
        co_test_clock_pass(CO_SEC); /* before it is on it does not count */
        ck_assert_int_eq(co_loop_set_debug(loop, on == 1), 0);
        co_test_clock_pass(CO_SEC);
        co_test_yield();
        ck_assert_int_eq(co_test_reported.count, on >= 1);
    }
    return 0;
}

START_TEST(without_debug_mode_nothing_is_reported)
{
    unsetenv("COPPICE_DEBUG");
    ck_assert_int_eq(co_run(block_with_debug_changing, NULL), 0);
    ck_assert_str_eq(co_test_reported.seen[0].message,
                     "blocked its loop for 1000 ms");
}
END_TEST

/* ---- slow callbacks ------------------------------------------------------ */

static void block_in_call(void *ms)
{
    co_test_clock_pass((intptr_t)ms * CO_MS);
}

static int slow_call(void *unused)
{
    co_call call[3] = {
        {.fn = block_in_call, .arg = co_test_number(50), .site = "a.c:1"},
        {.fn = block_in_call, .arg = co_test_number(250), .site = "b.c:2"},
        {.fn = block_in_call, .arg = co_test_number(50), .site = "c.c:3"},
    };

    (void)unused;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call[i]),
                         0);
    return co_sleep(CO_SEC);
}

START_TEST(slow_callback_is_reported_with_its_site)
{
    ck_assert_int_eq(co_test_run_reported(slow_call, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert_str_eq(co_test_reported.seen[0].message,
                     "a callback blocked its loop for 250 ms");
    ck_assert_str_eq(co_test_reported.seen[0].site, "b.c:2");
    ck_assert_int_eq(co_test_reported.seen[0].had_task, 0);
}
END_TEST

static void block_on_done(co_future *future, void *ms)
{
    (void)future;
    block_in_call(ms);
}

static int slow_on_done(void *unused)
{
    co_future *future;

    (void)unused;
    line_of_spawn = __LINE__ + 1;
    future = co_future_new();
    ck_assert_int_eq(
        co_future_on_done(future, block_on_done, co_test_number(300)), 0);
    ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
    co_future_unref(future);
    return co_sleep(CO_SEC);
}

START_TEST(slow_function_of_a_future_is_reported_with_the_futures_site)
{
    ck_assert_int_eq(co_test_run_reported(slow_on_done, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 1);
    ck_assert(co_test_report_is_of(0, __FILE__, line_of_spawn));
}
END_TEST

/* ---- tasks that nobody joined -------------------------------------------- */

static int leave_tasks(void *unused)
{
    co_spawn_options named = {.size = sizeof(named), .name = "reader"};
    static co_group group;

    (void)unused;
    line_of_spawn = __LINE__ + 1;
    ck_assert_ptr_nonnull(co_spawn_with(&named, co_test_sleep_for_ever, NULL));
    ck_assert_ptr_nonnull(co_spawn(co_test_return, co_test_number(-EIO)));
    ck_assert_int_eq(co_detach(co_test_spawn(co_test_sleep_for_ever, NULL)), 0);
    memset(&group, 0, sizeof(group));
    ck_assert_ptr_nonnull(co_group_spawn(&group, co_test_sleep_for_ever, NULL));
    return co_yield_now();
}

START_TEST(tasks_that_are_left_are_reported)
{
    int by_name = -1;

    ck_assert_int_eq(co_test_run_reported(leave_tasks, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 2);
    for (int i = 0; i < 2; i++)
        if (strcmp(co_test_reported.seen[i].name, "reader") == 0)
            by_name = i;
    ck_assert_int_ge(by_name, 0);
    ck_assert_str_eq(co_test_reported.seen[by_name].message,
                     "had not ended when its loop ended");
    ck_assert(co_test_report_is_of(by_name, __FILE__, line_of_spawn));
    ck_assert_str_eq(co_test_reported.seen[!by_name].message,
                     "was not joined when its loop ended");
    ck_assert(co_test_report_is_of(!by_name, __FILE__, line_of_spawn + 1));
}
END_TEST

static int cancel_and_fail(void *unused)
{
    co_task *task[4];

    (void)unused;
    task[0] = co_test_spawn(co_test_return, co_test_number(5));
    task[1] = co_test_spawn(co_test_sleep_for_ever, NULL);
    task[2] = co_test_spawn(co_test_return, co_test_number(-ECANCELED));
    line_of_spawn = __LINE__ - 1;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_detach(task[i]), 0);
    task[3] = co_test_spawn(co_test_return, co_test_number(-EPIPE));
    co_test_yield();
    ck_assert_int_eq(co_detach(task[3]), 0); /* it has ended */
    ck_assert_int_eq(co_cancel(task[1]), 1);
    return co_sleep(CO_SEC);
}

START_TEST(error_of_a_detached_task_is_reported_unless_it_was_cancelled)
{
    ck_assert_int_eq(co_test_run_reported(cancel_and_fail, NULL), 0);
    ck_assert_int_eq(co_test_reported.count, 2);
    ck_assert_int_eq(co_test_reported.seen[0].error, -ECANCELED);
    ck_assert_str_eq(co_test_reported.seen[0].message,
                     "ended with an error that nobody looked at");
    ck_assert_int_eq(co_test_reported.seen[1].error, -EPIPE);
}
END_TEST

/* ---- handlers ------------------------------------------------------------ */

static int rescued;

static int rescue(void *unused)
{
    (void)unused;
    rescued++;
    return 0;
}

static void spawn_rescue(co_loop *loop, const co_report *report, void *unused)
{
    (void)loop;
    (void)report;
    (void)unused;
    ck_assert_int_eq(co_detach(co_test_spawn(rescue, NULL)), 0);
    ck_assert_ptr_null(strstr(report->message, "."));
}

static int be_rescued(void *unused)
{
    (void)unused;
    co_loop_set_error_handler(co_loop_running(), spawn_rescue, NULL);
    ck_assert_int_eq(co_test_result(co_test_spawn(block, co_test_number(500))),
                     0);
    co_test_clock_pass(CO_SEC);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    return 0;
}

START_TEST(handler_may_spawn)
{
    rescued = 0;
    ck_assert_int_eq(run_printed(be_rescued, NULL, 1), 0);
    ck_assert_int_eq(rescued, 2);
    ck_assert_str_eq(printed, "");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("core/report");
    TCase *tc = tcase_create("report");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, handler_gets_the_report_and_its_argument);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, without_a_handler_a_report_is_a_line_on_standard_error);
    tcase_add_test(tc, handler_can_pass_a_report_on);
    tcase_add_test(tc, slow_task_is_reported_with_name_and_site);
    tcase_add_test(tc, each_slow_step_is_reported_once);
    tcase_add_test(tc, first_task_is_watched_to_its_last_step);
    tcase_add_test(tc, step_ends_where_a_task_gives_way_by_itself);
    tcase_add_test(tc, what_is_slow_is_the_loops_option);
    tcase_add_test(tc, without_debug_mode_nothing_is_reported);
    tcase_add_test(tc, slow_callback_is_reported_with_its_site);
    tcase_add_test(tc,
                   slow_function_of_a_future_is_reported_with_the_futures_site);
    tcase_add_test(tc, tasks_that_are_left_are_reported);
    tcase_add_test(
        tc, error_of_a_detached_task_is_reported_unless_it_was_cancelled);
    tcase_add_test(tc, handler_may_spawn);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
