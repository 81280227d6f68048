/* SPDX-License-Identifier: MIT */
/* Calls that the loop makes: soon, later, at a time; and taking them back. */
#include <coppice/callback.h>
#include <coppice/cancel.h>
#include <coppice/embed.h>
#include <coppice/error.h>
#include <coppice/factory.h>
#include <coppice/report.h>

#include "base/alloc.h"
#include "core/loop.h"
#include "support/check_main.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* ---- support ------------------------------------------------------------- */

static struct co_test_log the_log;

static void start(void)
{
    co_test_clock_start();
    memset(&the_log, 0, sizeof(the_log));
}

static void add(void *letter)
{
    co_test_log_add(&the_log, (char)(intptr_t)letter);
}

#define LETTER(c) co_test_number(c)

static void soon(co_handle *handle, char letter)
{
    ck_assert_int_eq(co_call_soon(handle, add, LETTER(letter)), 0);
}

static void later(co_handle *handle, co_time delay, char letter)
{
    ck_assert_int_eq(co_call_later(handle, delay, add, LETTER(letter)), 0);
}

/* Let everything that is due be called. */
static void settle(void)
{
    ck_assert_int_eq(co_sleep(1), 0);
    co_test_yield();
    co_test_yield();
}

#define ASSERT_LOG(expected) ck_assert_str_eq(the_log.text, expected)

/* ---- order --------------------------------------------------------------- */

CO_TASK_TEST(calls_are_made_soon_but_not_at_once)
{
    co_handle a = {0};

    soon(&a, 'a');
    ASSERT_LOG("");
    co_test_yield();
    ASSERT_LOG("a");
    settle();
    ASSERT_LOG("a");
}

CO_TASK_TEST(calls_are_made_in_the_order_of_the_requests)
{
    co_handle handles[26];

    memset(handles, 0, sizeof(handles));
    for (int i = 0; i < 26; i++)
        soon(i % 2 ? &handles[i] : NULL, (char)('a' + i));
    co_test_yield();
    ASSERT_LOG("abcdefghijklmnopqrstuvwxyz");
}

CO_TASK_TEST(calls_from_other_doors_stand_in_the_same_line)
{
    co_call call = {.fn = add, .arg = LETTER('b')};

    soon(NULL, 'a');
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    co_test_yield(); /* the loop takes it with its next look at the inbox */
    settle();
    soon(NULL, 'c');
    settle();
    ASSERT_LOG("abc");
}

CO_TASK_TEST(timed_calls_are_made_by_their_times)
{
    co_handle handles[5];
    co_time now = co_now();

    memset(handles, 0, sizeof(handles));
    ck_assert_int_eq(co_call_at(&handles[0], now + 3, add, LETTER('d')), 0);
    later(&handles[1], 1, 'b');
    later(NULL, 2, 'c');
    later(&handles[2], 5 * CO_SEC, 'f');
    ck_assert_int_eq(co_call_at(NULL, now + 4, add, LETTER('e')), 0);
    soon(&handles[3], 'a');
    ck_assert_int_eq(co_sleep(10), 0);
    ASSERT_LOG("abcde");
    ck_assert_int_eq(co_sleep(5 * CO_SEC), 0);
    ASSERT_LOG("abcdef");
}

CO_TASK_TEST(equal_times_keep_the_order_of_the_requests)
{
    co_time when = co_now() + CO_MS;

    for (int i = 0; i < 26; i++)
        ck_assert_int_eq(co_call_at(NULL, when, add, LETTER('a' + i)), 0);
    ck_assert_int_eq(co_sleep(2 * CO_MS), 0);
    ASSERT_LOG("abcdefghijklmnopqrstuvwxyz");
}

CO_TASK_TEST(times_that_are_over_are_due_at_once)
{
    co_handle a = {0}, b = {0}, c = {0};
    co_time before = co_now();

    later(&a, 0, 'a');
    later(&b, -CO_SEC, 'b');
    ck_assert_int_eq(co_call_at(&c, INT64_MIN, add, LETTER('c')), 0);
    ASSERT_LOG("");
    settle();
    ASSERT_LOG("cab");
    ck_assert_int_lt(co_now() - before, CO_MS);
}

CO_TASK_TEST(a_call_is_never_early)
{
    co_handle a = {0};
    co_time when = co_now() + CO_SEC;

    later(&a, CO_SEC, 'a');
    ck_assert_int_eq(co_sleep_until(when - 1), 0);
    co_test_yield();
    ASSERT_LOG("");
    ck_assert_int_eq(co_sleep_until(when + 1), 0);
    ASSERT_LOG("a");
}

/* Asks for `next` and logs. */
struct chain {
    co_handle handle;
    struct chain *next;
    char letter;
};

static void add_and_ask(void *arg)
{
    struct chain *chain = arg;

    co_test_log_add(&the_log, chain->letter);
    if (chain->next)
        ck_assert_int_eq(
            co_call_soon(&chain->next->handle, add_and_ask, chain->next), 0);
}

static int yield_and_add(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        co_test_log_add(&the_log, '.');
        co_test_yield();
    }
    return 0;
}

CO_TASK_TEST(what_a_callback_asks_for_is_called_in_the_next_round)
{
    struct chain c = {.letter = 'c'}, a = {.letter = 'a', .next = &c},
                 d = {.letter = 'd'}, b = {.letter = 'b', .next = &d};
    co_task *task = co_test_spawn(yield_and_add, NULL);

    ck_assert_int_eq(co_call_soon(&a.handle, add_and_ask, &a), 0);
    ck_assert_int_eq(co_call_soon(&b.handle, add_and_ask, &b), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    /* Tasks have their turn between two rounds. */
    ASSERT_LOG(".ab.cd.");
}

static void call_oneself(void *arg)
{
    co_handle *handle = arg;

    co_test_log_add(&the_log, 'x');
    if (the_log.length < 1000)
        ck_assert_int_eq(co_call_soon(handle, call_oneself, handle), 0);
}

CO_TASK_TEST(callbacks_that_go_on_for_ever_starve_neither_tasks_nor_timers)
{
    co_handle handle = {0};

    co_test_clock_stop();
    ck_assert_int_eq(co_call_soon(&handle, call_oneself, &handle), 0);
    ck_assert_int_eq(co_sleep(1), 0);
    ck_assert_uint_ge(the_log.length, 1);
    co_handle_cancel(&handle);
}

/* ---- handles ------------------------------------------------------------- */

CO_TASK_TEST(a_handle_tells_its_time)
{
    co_handle a = {0};
    co_time now = co_now();

    ck_assert_int_eq(co_handle_when(&a), 0);
    later(&a, 7, 'a');
    ck_assert_int_eq(co_handle_when(&a), now + 7);
    ck_assert_int_eq(co_sleep(8), 0);
    ck_assert_int_eq(co_handle_when(&a), now + 7);
    soon(&a, 'b');
    ck_assert_int_eq(co_handle_when(&a), 0);
    settle();
    ck_assert_int_eq(co_call_at(&a, CO_NEVER, add, NULL), 0);
    ck_assert_int_eq(co_handle_when(&a), CO_NEVER);
    ck_assert_int_eq(co_handle_cancel(&a), 0);
    ck_assert_int_eq(co_handle_when(NULL), 0);
}

CO_TASK_TEST(what_was_taken_back_is_not_called)
{
    co_handle a = {0}, b = {0}, c = {0}, d = {0};

    soon(&a, 'a');
    soon(&b, 'b');
    soon(&c, 'c');
    later(&d, 1, 'd');
    ck_assert_int_eq(co_handle_cancelled(&b), 0);
    ck_assert_int_eq(co_handle_cancel(&b), 0);
    ck_assert_int_eq(co_handle_cancel(&d), 0);
    ck_assert_int_eq(co_handle_cancelled(&b), 1);
    ck_assert_int_eq(co_handle_cancelled(&d), 1);
    ck_assert_int_eq(co_handle_cancelled(&a), 0);
    ck_assert_int_eq(co_handle_cancelled(NULL), 0);
    ck_assert_int_eq(co_sleep(5), 0);
    ASSERT_LOG("ac");
    ck_assert_int_eq(co_handle_cancelled(&a), 0);
}

CO_TASK_TEST(any_of_the_queued_calls_can_be_taken_back)
{
    co_handle h[4];

    for (int mask = 0; mask < 16; mask++) {
        char expected[6] = {0};
        int n = 0;

        memset(h, 0, sizeof(h));
        memset(&the_log, 0, sizeof(the_log));
        for (int i = 0; i < 4; i++)
            soon(&h[i], (char)('a' + i));
        for (int i = 0; i < 4; i++) {
            if (mask & 1 << i)
                ck_assert_int_eq(co_handle_cancel(&h[i]), 0);
            else
                expected[n++] = (char)('a' + i);
        }
        soon(NULL, 'z');
        expected[n] = 'z';
        co_test_yield();
        ASSERT_LOG(expected);
    }
}

CO_TASK_TEST(a_handle_that_was_taken_back_can_be_freed)
{
    co_handle *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    soon(a, 'a');
    later(b, 1, 'b');
    ck_assert_int_eq(co_handle_cancel(a), 0);
    ck_assert_int_eq(co_handle_cancel(b), 0);
    free(a);
    free(b);
    soon(NULL, 'c');
    settle();
    ASSERT_LOG("c");
}

CO_TASK_TEST(a_handle_can_be_used_again)
{
    co_handle a = {0};

    for (int i = 0; i < 3; i++) {
        soon(&a, 'a');
        ck_assert_int_eq(co_call_soon(&a, add, NULL), -EALREADY);
        ck_assert_int_eq(co_call_later(&a, 1, add, NULL), -EALREADY);
        co_test_yield();
        later(&a, 1, 'b');
        ck_assert_int_eq(co_call_soon(&a, add, NULL), -EALREADY);
        ck_assert_int_eq(co_call_at(&a, 1, add, NULL), -EALREADY);
        ck_assert_int_eq(co_handle_cancel(&a), 0);
        ck_assert_int_eq(co_handle_cancelled(&a), 1);
        later(&a, 1, 'c');
        ck_assert_int_eq(co_handle_cancelled(&a), 0);
        ck_assert_int_eq(co_sleep(2), 0);
    }
    ASSERT_LOG("acacac");
}

static void free_it(void *arg)
{
    co_test_log_add(&the_log, 'f');
    free(arg);
}

CO_TASK_TEST(a_handle_can_be_freed_by_its_own_callback)
{
    co_handle *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

    ck_assert_int_eq(co_call_soon(a, free_it, a), 0);
    ck_assert_int_eq(co_call_later(b, 1, free_it, b), 0);
    ck_assert_int_eq(co_sleep(2), 0);
    ASSERT_LOG("ff");
}

struct canceller {
    co_handle *victims[3];
    int results[3];
};

static void cancel_others(void *arg)
{
    struct canceller *c = arg;

    co_test_log_add(&the_log, '!');
    for (int i = 0; i < 3; i++)
        c->results[i] = co_handle_cancel(c->victims[i]);
}

CO_TASK_TEST(a_callback_takes_back_calls_of_its_own_round)
{
    co_handle h[4];
    struct canceller c = {.victims = {&h[0], &h[1], &h[3]}};

    memset(h, 0, sizeof(h));
    soon(&h[0], 'a');
    ck_assert_int_eq(co_call_soon(&h[1], cancel_others, &c), 0);
    soon(&h[2], 'c');
    soon(&h[3], 'd');
    co_test_yield();
    ASSERT_LOG("a!c");
    ck_assert_int_eq(c.results[0], -EALREADY); /* was called */
    ck_assert_int_eq(c.results[1], -EALREADY); /* is being called */
    ck_assert_int_eq(c.results[2], 0);
    ck_assert_int_eq(co_handle_cancelled(&h[1]), 0);
    /* The line is in order afterwards. */
    soon(&h[3], 'e');
    soon(&h[0], 'f');
    co_test_yield();
    ASSERT_LOG("a!cef");
}

CO_TASK_TEST(a_call_whose_time_has_come_can_still_be_taken_back)
{
    co_handle h[4];
    struct canceller c = {.victims = {&h[1], &h[2], &h[3]}};

    memset(h, 0, sizeof(h));
    ck_assert_int_eq(co_call_later(&h[0], 1, cancel_others, &c), 0);
    later(&h[1], 2, 'b'); /* due in the same turn, and queued by then */
    later(&h[2], 2, 'c');
    later(&h[3], CO_SEC, 'd');
    co_test_clock_pass(10);
    settle();
    ASSERT_LOG("!");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(c.results[i], 0);
}

/* ---- what callbacks may do ----------------------------------------------- */

static void try_to_wait(void *arg)
{
    int *results = arg;

    results[0] = co_sleep(1);
    results[1] = co_yield_now();
    results[2] = co_self() != NULL;
}

CO_TASK_TEST(callbacks_cannot_wait)
{
    int results[3] = {0};

    ck_assert_int_eq(co_call_soon(NULL, try_to_wait, results), 0);
    co_test_yield();
    ck_assert_int_eq(results[0], -EPERM);
    ck_assert_int_eq(results[1], -EPERM);
}

static void spawn_one(void *arg)
{
    co_task **task = arg;

    *task = co_spawn(co_test_return, co_test_number(42));
}

CO_TASK_TEST(callbacks_can_spawn_and_cancel)
{
    co_task *task = NULL;

    ck_assert_int_eq(co_call_soon(NULL, spawn_one, &task), 0);
    co_test_yield();
    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(co_test_result(task), 42);
}

/* ---- refusals ------------------------------------------------------------ */

CO_TASK_TEST(bad_requests_are_refused)
{
    co_handle a = {0};

    ck_assert_int_eq(co_call_soon(&a, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_call_later(&a, 1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_call_at(NULL, 1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_loop_call_soon(NULL, &a, add, NULL), -EINVAL);
    ck_assert_int_eq(co_loop_call_later(NULL, &a, 1, add, NULL), -EINVAL);
    ck_assert_int_eq(co_loop_call_at(NULL, &a, 1, add, NULL), -EINVAL);
    ck_assert_int_eq(co_handle_cancel(NULL), -EINVAL);
    ck_assert_int_eq(co_handle_cancel(&a), -EALREADY);
    ck_assert_int_eq(co_handle_cancelled(&a), 0);
}

START_TEST(no_loop_no_call)
{
    co_handle a = {0};

    ck_assert_int_eq(co_call_soon(&a, add, NULL), -EPERM);
    ck_assert_int_eq(co_call_soon(NULL, add, NULL), -EPERM);
    ck_assert_int_eq(co_call_later(&a, 1, add, NULL), -EPERM);
    ck_assert_int_eq(co_call_at(&a, 1, add, NULL), -EPERM);
    ck_assert_int_eq(co_call_soon(&a, NULL, NULL), -EINVAL);
}
END_TEST

CO_TASK_TEST(no_memory_for_a_handle_is_told)
{
    co__fault_after(1);
    ck_assert_int_eq(co_call_soon(NULL, add, NULL), -ENOMEM);
    co__fault_after(1);
    ck_assert_int_eq(co_call_later(NULL, 1, add, NULL), -ENOMEM);
    co__fault_after(0);
}

struct elsewhere {
    co_loop *loop;
    co_handle *pending;
    int results[5];
};

static void *ask_from_elsewhere(void *arg)
{
    struct elsewhere *e = arg;
    co_handle a = {0};

    e->results[0] = co_loop_call_soon(e->loop, &a, add, NULL);
    e->results[1] = co_loop_call_later(e->loop, NULL, 1, add, NULL);
    e->results[2] = co_loop_call_at(e->loop, &a, 1, add, NULL);
    e->results[3] = co_call_soon(&a, add, NULL);
    e->results[4] = co_handle_cancel(e->pending);
    return NULL;
}

static void run_elsewhere(struct elsewhere *e)
{
    pthread_t thread;

    e->loop = co_loop_running();
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_from_elsewhere, e), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(e->results[i], -EPERM);
}

CO_TASK_TEST(another_thread_is_refused)
{
    co_handle a = {0};
    struct elsewhere e = {.pending = &a};

    later(&a, 1, 'a');
    run_elsewhere(&e);
    ck_assert_int_eq(co_sleep(2), 0);
    ASSERT_LOG("a");
}

static int ask_at_the_end(void *arg)
{
    co_handle *handle = arg;

    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    ck_assert_int_eq(co_call_soon(handle, add, NULL), -ESHUTDOWN);
    ck_assert_int_eq(co_call_later(NULL, 1, add, NULL), -ESHUTDOWN);
    ck_assert_int_eq(co_loop_call_at(co_loop_running(), NULL, 1, add, NULL),
                     -ESHUTDOWN);
    co_test_log_add(&the_log, 'e');
    return 0;
}

static int leave_one_behind(void *handle)
{
    ck_assert_int_eq(co_detach(co_spawn(ask_at_the_end, handle)), 0);
    co_test_yield();
    soon(NULL, 's');
    later(handle, CO_SEC, 'x');
    later(NULL, CO_SEC, 'x');
    return 0;
}

START_TEST(an_ending_loop_takes_no_requests)
{
    co_handle pending = {0}, a = {0};

    ck_assert_int_eq(co_run(leave_one_behind, &pending), 0);
    /* What was queued is called, what was to come later is not. */
    ck_assert_ptr_nonnull(strchr(the_log.text, 's'));
    ck_assert_ptr_nonnull(strchr(the_log.text, 'e'));
    ck_assert_uint_eq(the_log.length, 2);
    ck_assert_int_eq(co_handle_cancelled(&pending), 1);
    ck_assert_int_eq(co_handle_cancel(&pending), -EALREADY);
    ck_assert_int_eq(co_handle_cancelled(&a), 0);
}
END_TEST

/* ---- loops that do not run ----------------------------------------------- */

static int nap(void *arg)
{
    return co_sleep(*(co_time *)arg);
}

static void run_for(co_loop *loop, co_time ns)
{
    int result = 1;

    ck_assert_int_eq(co_loop_run_until(loop, nap, &ns, &result), 0);
    ck_assert_int_eq(result, 0);
}

START_TEST(requests_before_a_run_are_made_in_it)
{
    co_loop *loop = co_loop_new(NULL);
    co_handle a = {0}, b = {0}, c = {0};

    ck_assert_int_eq(co_loop_call_later(loop, &c, 5, add, LETTER('c')), 0);
    ck_assert_int_eq(co_loop_call_soon(loop, &a, add, LETTER('a')), 0);
    ck_assert_int_eq(co_loop_call_soon(loop, &b, add, LETTER('b')), 0);
    ck_assert_int_eq(co_handle_cancel(&b), 0);
    ck_assert_uint_eq(co_loop_task_count(loop), 0);
    ck_assert_int_eq(co_loop_next_deadline(loop), 0);
    run_for(loop, 1);
    ASSERT_LOG("a");
    run_for(loop, 10);
    ASSERT_LOG("ac");
    ck_assert_int_eq(co_loop_call_later(loop, &a, 5, add, LETTER('d')), 0);
    ck_assert_int_eq(co_loop_next_deadline(loop), co_handle_when(&a));
    ck_assert_int_eq(co_handle_cancel(&a), 0);
    ck_assert_int_eq(co_loop_next_deadline(loop), CO_NEVER);
    co_loop_free(loop);
    ASSERT_LOG("ac");
}
END_TEST

START_TEST(a_loop_freed_before_its_time_drops_its_timers)
{
    co_loop *loop = co_loop_new(NULL);
    co_handle a = {0}, b = {0};

    ck_assert_int_eq(co_loop_call_later(loop, &a, 5, add, LETTER('a')), 0);
    ck_assert_int_eq(co_loop_call_at(loop, &b, CO_NEVER, add, NULL), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(co_loop_call_at(loop, NULL, co_now() + (1LL << i % 60),
                                         add, NULL),
                         0);
    co_loop_free(loop);
    ck_assert_int_eq(co_handle_cancelled(&a), 1);
    ck_assert_int_eq(co_handle_cancelled(&b), 1);
    ck_assert_int_eq(co_handle_cancel(&a), -EALREADY);
    ck_assert_uint_eq(the_log.length, 0);
}
END_TEST

static void ask_and_stop(void *arg)
{
    co_test_log_add(&the_log, 's');
    soon(NULL, 'n');
    co_loop_stop(arg);
}

START_TEST(a_stop_ends_the_round_and_what_it_asked_for_waits_for_the_next_run)
{
    co_loop *loop = co_loop_new(NULL);

    ck_assert_int_eq(co_loop_call_soon(loop, NULL, ask_and_stop, loop), 0);
    ck_assert_int_eq(co_loop_call_soon(loop, NULL, add, LETTER('a')), 0);
    ck_assert_int_eq(co_loop_run_forever(loop), 0);
    ASSERT_LOG("sa");
    ck_assert_int_eq(co_loop_next_deadline(loop), 0);
    ck_assert_int_eq(co_loop_stop(loop), 0); /* before a run: one batch */
    ck_assert_int_eq(co_loop_run_forever(loop), 0);
    ASSERT_LOG("san");
    ck_assert_int_eq(co_loop_call_soon(loop, NULL, ask_and_stop, loop), 0);
    ck_assert_int_eq(co_loop_run_forever(loop), 0);
    ASSERT_LOG("sans");
    co_loop_free(loop);
    ASSERT_LOG("sansn");
}
END_TEST

START_TEST(a_turn_of_an_embedded_loop_makes_the_calls_that_are_due)
{
    co_loop *loop = co_loop_new(NULL);

    ck_assert_int_eq(co_loop_call_soon(loop, NULL, add, LETTER('a')), 0);
    ck_assert_int_eq(co_loop_call_later(loop, NULL, CO_MS, add, LETTER('b')),
                     0);
    ck_assert_int_eq(co_loop_turn(loop, 0), 0);
    ASSERT_LOG("a");
    ck_assert_int_eq(co_loop_turn(loop, 2 * CO_MS), 0);
    ASSERT_LOG("ab");
    co_loop_free(loop);
}
END_TEST

/* ---- cost, and debug mode ------------------------------------------------ */

CO_TASK_TEST(a_handle_of_the_callers_allocates_nothing)
{
    co_handle a = {0}, b = {0};

    soon(&a, 'a');
    settle();
    co__fault_after(0);
    for (int i = 0; i < 100; i++) {
        soon(&a, 'a');
        later(&b, 1, 'b');
        ck_assert_int_eq(co_sleep(2), 0);
        later(&b, 1, 'b');
        ck_assert_int_eq(co_handle_cancel(&b), 0);
    }
    ck_assert_int_eq(co__fault_after(0), 0);
}

struct reports {
    int count;
    char message[100];
    char site[100];
    const co_task *task;
};

static void keep_report(co_loop *loop, const co_report *report, void *arg)
{
    struct reports *r = arg;

    (void)loop;
    r->count++;
    snprintf(r->message, sizeof(r->message), "%s", report->message);
    snprintf(r->site, sizeof(r->site), "%s",
             report->site ? report->site : "(none)");
    r->task = report->task;
}

static void be_slow(void *ns)
{
    co_test_clock_pass(*(co_time *)ns);
}

static int slow_calls(void *arg)
{
    struct reports *r = arg;
    co_time slow = 5 * CO_MS, fast = 4 * CO_MS;
    char site[100];

    co_loop_set_error_handler(co_loop_running(), keep_report, r);
    ck_assert_int_eq(co_loop_debug(co_loop_running()), 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_call_soon(NULL, be_slow, &fast), 0);
    co_test_yield();
    ck_assert_int_eq(r->count, 0);
    ck_assert_int_eq(co_call_soon(NULL, be_slow, &fast), 0);
    snprintf(site, sizeof(site), "%s:%d", __FILE__, __LINE__ + 1);
    ck_assert_int_eq(co_call_soon(NULL, be_slow, &slow), 0);
    ck_assert_int_eq(co_call_soon(NULL, be_slow, &fast), 0);
    co_test_yield();
    ck_assert_int_eq(r->count, 1);
    ck_assert_str_eq(r->site, site);
    ck_assert_ptr_nonnull(strstr(r->message, "callback"));
    ck_assert_ptr_nonnull(strstr(r->message, "5 ms"));
    ck_assert_ptr_null(r->task);

    snprintf(site, sizeof(site), "%s:%d", __FILE__, __LINE__ + 1);
    ck_assert_int_eq(co_call_later(NULL, 1, be_slow, &slow), 0);
    ck_assert_int_eq(co_sleep(2), 0);
    ck_assert_int_eq(r->count, 2);
    ck_assert_str_eq(r->site, site);

    ck_assert_int_eq(co_loop_set_debug(co_loop_running(), 0), 0);
    ck_assert_int_eq(co_call_soon(NULL, be_slow, &slow), 0);
    co_test_yield();
    ck_assert_int_eq(r->count, 2);
    ck_assert_int_eq(co_loop_set_debug(co_loop_running(), 1), 0);
    ck_assert_int_eq(co_call_soon(NULL, be_slow, &slow), 0);
    co_test_yield();
    ck_assert_int_eq(r->count, 3);
    return 0;
}

START_TEST(a_slow_callback_is_named_by_its_site_in_debug_mode)
{
    struct reports r = {0};
    co_loop_options options = {
        .size = sizeof(options), .debug = 1, .slow_ns = 5 * CO_MS};
    int result = 1;

    ck_assert_int_eq(co_run_with(&options, slow_calls, &r, &result), 0);
    ck_assert_int_eq(result, 0);
}
END_TEST

static int misuse_with_reports(void *arg)
{
    struct reports *r = arg;
    co_handle a = {0};
    struct elsewhere e = {.pending = &a};

    co_loop_set_error_handler(co_loop_running(), keep_report, r);
    later(&a, 1, 'a');
    run_elsewhere(&e);
    ck_assert_int_eq(co_handle_cancel(&a), 0);
    return 0;
}

START_TEST(a_wrong_thread_is_no_business_of_the_loops_handler)
{
    struct reports r = {0};
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    int result = 1;

    /* Four lines on standard error, on the other thread. */
    ck_assert_int_eq(co_run_with(&options, misuse_with_reports, &r, &result),
                     0);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(r.count, 0);
}
END_TEST

/* ---- fork ---------------------------------------------------------------- */

static void fork_here(void *arg)
{
    int *status = arg;
    pid_t pid = fork();

    if (pid == 0)
        return; /* ends the child */
    waitpid(pid, status, 0);
}

CO_TASK_TEST(a_child_forked_by_a_callback_ends_there)
{
    int status = -1;

    ck_assert_int_eq(co_call_soon(NULL, fork_here, &status), 0);
    soon(NULL, 'a');
    co_test_yield();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ASSERT_LOG("a");
}

/* -------------------------------------------------------------------------- */

static void add_order(TCase *tc)
{
    tcase_add_test(tc, calls_are_made_soon_but_not_at_once);
    tcase_add_test(tc, calls_are_made_in_the_order_of_the_requests);
    tcase_add_test(tc, calls_from_other_doors_stand_in_the_same_line);
    tcase_add_test(tc, timed_calls_are_made_by_their_times);
    tcase_add_test(tc, equal_times_keep_the_order_of_the_requests);
    tcase_add_test(tc, times_that_are_over_are_due_at_once);
    tcase_add_test(tc, a_call_is_never_early);
    tcase_add_test(tc, what_a_callback_asks_for_is_called_in_the_next_round);
    tcase_add_test(
        tc, callbacks_that_go_on_for_ever_starve_neither_tasks_nor_timers);
}

static void add_handles(TCase *tc)
{
    tcase_add_test(tc, a_handle_tells_its_time);
    tcase_add_test(tc, what_was_taken_back_is_not_called);
    tcase_add_test(tc, any_of_the_queued_calls_can_be_taken_back);
    tcase_add_test(tc, a_handle_that_was_taken_back_can_be_freed);
    tcase_add_test(tc, a_handle_can_be_used_again);
    tcase_add_test(tc, a_handle_can_be_freed_by_its_own_callback);
    tcase_add_test(tc, a_callback_takes_back_calls_of_its_own_round);
    tcase_add_test(tc, a_call_whose_time_has_come_can_still_be_taken_back);
}

static Suite *suite(void)
{
    Suite *s = suite_create("callback");
    TCase *tc = tcase_create("callback");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, start, co_test_clock_stop);
    add_order(tc);
    add_handles(tc);
    tcase_add_test(tc, callbacks_cannot_wait);
    tcase_add_test(tc, callbacks_can_spawn_and_cancel);
    tcase_add_test(tc, bad_requests_are_refused);
    tcase_add_test(tc, no_loop_no_call);
    tcase_add_test(tc, no_memory_for_a_handle_is_told);
    tcase_add_test(tc, another_thread_is_refused);
    tcase_add_test(tc, an_ending_loop_takes_no_requests);
    tcase_add_test(tc, requests_before_a_run_are_made_in_it);
    tcase_add_test(tc, a_loop_freed_before_its_time_drops_its_timers);
    tcase_add_test(
        tc, a_stop_ends_the_round_and_what_it_asked_for_waits_for_the_next_run);
    tcase_add_test(tc, a_turn_of_an_embedded_loop_makes_the_calls_that_are_due);
    tcase_add_test(tc, a_handle_of_the_callers_allocates_nothing);
    tcase_add_test(tc, a_slow_callback_is_named_by_its_site_in_debug_mode);
    tcase_add_test(tc, a_wrong_thread_is_no_business_of_the_loops_handler);
    tcase_add_test(tc, a_child_forked_by_a_callback_ends_there);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
