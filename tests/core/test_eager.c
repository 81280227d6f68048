/* SPDX-License-Identifier: MIT */
/* Eager tasks: they run at once, until they first wait. */
#include <coppice/call.h>
#include <coppice/cancel.h>
#include <coppice/embed.h>
#include <coppice/report.h>

#include "core/loop.h"
#include "core/queue.h"
#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <string.h>

/* ---- support ------------------------------------------------------------- */

static struct co_test_log the_log;

static void start(void)
{
    co_test_clock_start();
    memset(&the_log, 0, sizeof(the_log));
}

static void add(char event)
{
    co_test_log_add(&the_log, event);
}

#define ASSERT_LOG(expected) ck_assert_str_eq(the_log.text, expected)

static co_task *eager(co_task_fn fn, void *arg)
{
    co_task *task = co_spawn_with(CO_SPAWN_EAGER, fn, arg);

    ck_assert_ptr_nonnull(task);
    return task;
}

static int say(void *letter)
{
    add((char)(intptr_t)letter);
    return (int)(intptr_t)letter;
}

static int say_sleep_say(void *arg)
{
    const char *letters = arg;
    int r;

    add(letters[0]);
    r = co_sleep(CO_MS);
    add(letters[1]);
    return r;
}

static int say_yield_say(void *arg)
{
    const char *letters = arg;

    add(letters[0]);
    co_yield_now();
    add(letters[1]);
    return 0;
}

/* ---- order --------------------------------------------------------------- */

CO_TASK_TEST(an_eager_task_runs_before_the_spawn_returns)
{
    co_task *task = eager(say, co_test_number('a'));

    add('.');
    ASSERT_LOG("a.");
    ck_assert_int_eq(co_test_result(task), 'a');
    ASSERT_LOG("a.");
}

CO_TASK_TEST(it_gives_way_with_its_first_wait)
{
    char letters[] = "ab";
    co_task *task = eager(say_sleep_say, letters);

    add('.');
    ck_assert_int_eq(co_test_result(task), 0);
    ASSERT_LOG("a.b");
}

CO_TASK_TEST(the_spawner_goes_on_before_the_tasks_that_are_ready)
{
    char letters[] = "ab";
    co_task *ready = co_test_spawn(say, co_test_number('r'));
    co_task *task = eager(say_yield_say, letters);

    add('.');
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_test_result(ready), 'r');
    ASSERT_LOG("a.rb");
}

static int nest(void *depth)
{
    intptr_t n = (intptr_t)depth;

    add((char)('a' + n));
    if (n < 5)
        ck_assert_int_eq(co_detach(eager(nest, co_test_number(n + 1))), 0);
    add((char)('A' + n));
    return 0;
}

CO_TASK_TEST(eager_tasks_nest_as_calls_do)
{
    co_task *task = eager(nest, co_test_number(0));

    ASSERT_LOG("abcdefFEDCBA");
    ck_assert_int_eq(co_test_result(task), 0);
}

static int spawn_and_wait(void *arg)
{
    co_task *task;

    add('1');
    task = eager(say_sleep_say, arg);
    add('2');
    ck_assert_int_eq(co_test_result(task), 0);
    add('3');
    return 0;
}

CO_TASK_TEST(each_spawner_goes_on_when_its_own_child_waits)
{
    char letters[] = "ab";
    co_task *task = eager(spawn_and_wait, letters);

    add('.');
    ck_assert_int_eq(co_test_result(task), 0);
    ASSERT_LOG("1a2.b3");
}

CO_TASK_TEST(a_thousand_eager_tasks_one_after_the_other)
{
    for (int i = 0; i < 1000; i++) {
        co_task *task = eager(co_test_return, co_test_number(i));

        ck_assert_int_eq(co_test_result(task), i);
    }
    ck_assert_uint_eq(co__queue_length(co_loop_running()), 0);
}

/* Each spawns the next, so that all their spawners stand in line. */
static int deep(void *left)
{
    intptr_t n = (intptr_t)left;

    return n == 0 ? 1 : 1 + co_test_result(eager(deep, co_test_number(n - 1)));
}

CO_TASK_TEST(the_line_has_room_for_all_spawners)
{
    ck_assert_int_eq(co_test_result(eager(deep, co_test_number(500))), 501);
}

/* ---- who they are -------------------------------------------------------- */

static int about_oneself(void *arg)
{
    co_task **seen = arg;

    seen[0] = co_self();
    ck_assert_str_eq(co_task_name(co_self()), "bob");
    return 0;
}

CO_TASK_TEST(the_options_hold_from_the_start)
{
    co_spawn_options options = {
        .size = sizeof(options), .name = "bob", .eager = 1};
    co_task *seen[1] = {NULL};
    co_task *self = co_self();
    co_task *task = co_spawn_with(&options, about_oneself, seen);

    ck_assert_ptr_eq(seen[0], task);
    ck_assert_ptr_eq(co_self(), self);
    ck_assert_int_eq(co_test_result(task), 0);
}

CO_TASK_TEST(a_detached_eager_task_leaves_nothing)
{
    co_spawn_options options = {
        .size = sizeof(options), .detached = 1, .eager = 1};
    char letters[] = "bc";

    for (int i = 0; i < 10; i++)
        ck_assert_ptr_nonnull(
            co_spawn_with(&options, say, co_test_number('a')));
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
    ck_assert_ptr_nonnull(co_spawn_with(&options, say_sleep_say, letters));
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
    ASSERT_LOG("aaaaaaaaaabc");
}

CO_TASK_TEST(a_stack_size_can_be_had_too)
{
    co_spawn_options options = {
        .size = sizeof(options), .stack_size = 1, .eager = 1};

    errno = 0;
    ck_assert_ptr_null(co_spawn_with(&options, say, co_test_number('a')));
    ck_assert_int_eq(errno, EINVAL);
    options.stack_size = 1 << 20;
    ck_assert_int_eq(
        co_test_result(co_spawn_with(&options, say, co_test_number('a'))), 'a');
}

static int cancelled_parent(void *arg)
{
    char letters[] = "ab";
    co_task *task;

    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    /* The child is not cancelled: it waits as long as it likes. */
    task = eager(say_sleep_say, letters);
    add('.');
    ck_assert_int_eq(co_join(task, NULL), -ECANCELED);
    ck_assert_int_eq(co_detach(task), 0);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    (void)arg;
    return 0;
}

CO_TASK_TEST(a_cancelled_task_can_spawn_eagerly)
{
    co_task *task = co_test_spawn(cancelled_parent, NULL);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
    ASSERT_LOG("a.b");
}

static int cancel_parent(void *arg)
{
    ck_assert_int_eq(co_cancel(arg), 1);
    return 0;
}

CO_TASK_TEST(the_child_can_cancel_its_spawner)
{
    co_task *task = eager(cancel_parent, co_self());

    ck_assert_int_eq(co_yield_now(), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- not from everywhere ------------------------------------------------- */

static void spawn_eagerly(void *arg)
{
    char *letters = arg;

    add('(');
    ck_assert_int_eq(co_detach(eager(say_sleep_say, letters)), 0);
    add(')');
}

CO_TASK_TEST(a_callback_can_spawn_eagerly)
{
    char letters[] = "ab";
    co_call call = {.fn = spawn_eagerly, .arg = letters};
    co_call next = {.fn = spawn_eagerly, .arg = letters};

    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &next), 0);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    ASSERT_LOG("(a)(a)bb");
}

static void spawn_in_a_report(co_loop *loop, const co_report *report, void *arg)
{
    (void)loop;
    (void)report;
    ck_assert_int_eq(co_detach(eager(say, arg)), 0);
    add('.');
}

static int be_slow(void *arg)
{
    (void)arg;
    co_test_clock_pass(CO_SEC);
    return 0;
}

CO_TASK_TEST(an_error_handler_can_spawn_eagerly)
{
    co_loop *loop = co_loop_running();

    ck_assert_int_eq(co_loop_set_error_handler(loop, spawn_in_a_report,
                                               co_test_number('a')),
                     0);
    ck_assert_int_eq(co_loop_set_debug(loop, 1), 0);
    /* Called amid a switch, where it cannot run at once. */
    ck_assert_int_eq(co_test_result(co_test_spawn(be_slow, NULL)), 0);
    ck_assert_int_eq(co_sleep(1), 0);
    ASSERT_LOG(".a");
    /* And by a task that gives way, and so stands in line already. */
    co_test_clock_pass(CO_SEC);
    co_test_yield();
    ck_assert_int_eq(co_sleep(1), 0);
    ASSERT_LOG(".a.a");
    ck_assert_uint_eq(co_loop_task_count(loop), 1);
    ck_assert_int_eq(co_loop_set_debug(loop, 0), 0);
}

static void note_name(co_loop *loop, const co_report *report, void *arg)
{
    (void)loop;
    snprintf(arg, 32, "%s", report->name);
}

CO_TASK_TEST(who_is_slow_is_told_apart)
{
    co_loop *loop = co_loop_running();
    char name[32] = "";
    co_task *task;

    ck_assert_int_eq(co_task_set_name(co_self(), "spawner"), 0);
    ck_assert_int_eq(co_loop_set_error_handler(loop, note_name, name), 0);
    ck_assert_int_eq(co_loop_set_debug(loop, 1), 0);
    co_test_clock_pass(CO_SEC);
    task = eager(co_test_return, NULL);
    ck_assert_str_eq(name, "spawner");
    ck_assert_int_eq(co_test_result(task), 0);
    name[0] = '\0';
    task = eager(be_slow, NULL);
    ck_assert_str_eq(name, ""); /* the child has none */
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_loop_set_debug(loop, 0), 0);
}

START_TEST(a_turn_of_an_embedded_loop_may_end_amid_an_eager_spawn)
{
    co_loop *loop = co_loop_new(NULL);
    char letters[] = "ab";
    co_task *task = co_loop_spawn(loop, spawn_and_wait, letters);

    ck_assert_ptr_nonnull(task);
    for (int i = 0; the_log.length < 5 && i < 100; i++)
        ck_assert_int_ge(co_loop_turn(loop, CO_SEC), 0);
    ASSERT_LOG("1a2b3");
    co_loop_free(loop);
}
END_TEST

/* -------------------------------------------------------------------------- */

static Suite *suite(void)
{
    Suite *s = suite_create("eager");
    TCase *tc = tcase_create("eager");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, start, co_test_clock_stop);
    tcase_add_test(tc, an_eager_task_runs_before_the_spawn_returns);
    tcase_add_test(tc, it_gives_way_with_its_first_wait);
    tcase_add_test(tc, the_spawner_goes_on_before_the_tasks_that_are_ready);
    tcase_add_test(tc, eager_tasks_nest_as_calls_do);
    tcase_add_test(tc, each_spawner_goes_on_when_its_own_child_waits);
    tcase_add_test(tc, a_thousand_eager_tasks_one_after_the_other);
    tcase_add_test(tc, the_line_has_room_for_all_spawners);
    tcase_add_test(tc, the_options_hold_from_the_start);
    tcase_add_test(tc, a_detached_eager_task_leaves_nothing);
    tcase_add_test(tc, a_stack_size_can_be_had_too);
    tcase_add_test(tc, a_cancelled_task_can_spawn_eagerly);
    tcase_add_test(tc, the_child_can_cancel_its_spawner);
    tcase_add_test(tc, a_callback_can_spawn_eagerly);
    tcase_add_test(tc, an_error_handler_can_spawn_eagerly);
    tcase_add_test(tc, who_is_slow_is_told_apart);
    tcase_add_test(tc, a_turn_of_an_embedded_loop_may_end_amid_an_eager_spawn);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
