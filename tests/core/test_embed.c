/* SPDX-License-Identifier: MIT */
/* A loop inside a foreign one: its descriptor, its next deadline, its turns. */
#include <coppice/call.h>
#include <coppice/cancel.h>
#include <coppice/embed.h>
#include <coppice/error.h>
#include <coppice/loop.h>
#include <coppice/scope.h>
#include <coppice/task.h>

#include "base/clock.h"
#include "core/loop.h"
#include "support/check_main.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

/* ---- support ------------------------------------------------------------- */

static co_loop *the_loop;

static void loop_made(void)
{
    the_loop = co_loop_new(NULL);
    ck_assert_ptr_nonnull(the_loop);
}

static void loop_freed(void)
{
    co_loop_free(the_loop);
    the_loop = NULL;
}

static void virtual_on(void)
{
    co__clock_virtual = 1;
    co__clock_virtual_now = CO_SEC;
}

static void virtual_off(void)
{
    co__clock_virtual = 0;
}

/* Of a backend that has no descriptor nothing is claimed. */
static void check_readable(int expected)
{
    struct pollfd p = {.fd = co_loop_fd(the_loop), .events = POLLIN};

    if (p.fd == -ENOTSUP)
        return;
    ck_assert_int_ge(p.fd, 0);
    ck_assert_int_eq(poll(&p, 1, 0) == 1 && p.revents & POLLIN, expected);
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return co_sleep_until(CO_NEVER);
}

/* They may live on until the loop is freed. */
static int counts[300];

static int count_turns(void *arg)
{
    do
        ++*(int *)arg;
    while (co_yield_now() == 0);
    return 0;
}

static int spawn_detached(co_task_fn fn, void *arg)
{
    co_spawn_options options = {.size = sizeof(options), .detached = 1};

    return co_spawn_with(&options, fn, arg) ? 0 : -errno;
}

static void start(co_task_fn fn, void *arg)
{
    ck_assert_ptr_nonnull(co_loop_spawn(the_loop, fn, arg));
}

/* ---- misuse -------------------------------------------------------------- */

START_TEST(bad_arguments_are_refused)
{
    ck_assert_int_eq(co_loop_fd(NULL), -EINVAL);
    ck_assert_int_eq(co_loop_next_deadline(NULL), -EINVAL);
    ck_assert_int_eq(co_loop_turn(NULL, 0), -EINVAL);
    ck_assert_int_eq(co_loop_turn(the_loop, -1), -EINVAL);
    ck_assert_int_eq(co_loop_turn(the_loop, INT64_MIN), -EINVAL);
}
END_TEST

static int turn_inside(void *arg)
{
    int *results = arg;
    co_loop *other = co_loop_new(NULL);

    results[0] = co_loop_turn(the_loop, 0);
    results[1] = co_loop_turn(other, 0);
    co_loop_free(other);
    return 0;
}

START_TEST(a_turn_in_a_task_is_a_deadlock)
{
    int results[2] = {0};

    start(turn_inside, results);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    ck_assert_int_eq(results[0], -EDEADLK);
    ck_assert_int_eq(results[1], -EDEADLK);
}
END_TEST

/* ---- the next deadline --------------------------------------------------- */

static int nap_for(void *arg)
{
    return co_sleep(*(co_time *)arg);
}

START_TEST(the_next_deadline_is_now_a_time_or_never)
{
    static co_time naps[] = {5 * CO_SEC, 3 * CO_SEC};

    ck_assert_int_eq(co_loop_next_deadline(the_loop), CO_NEVER);
    start(nap_for, &naps[0]);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), 0);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), 6 * CO_SEC);
    start(nap_for, &naps[1]);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 2);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), 4 * CO_SEC);
    co__clock_jump(4 * CO_SEC);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), 6 * CO_SEC);
    co__clock_jump(7 * CO_SEC);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), CO_NEVER);
}
END_TEST

START_TEST(a_parked_task_without_a_limit_has_no_deadline)
{
    start(sleep_for_ever, NULL);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), CO_NEVER);
}
END_TEST

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(a_call_makes_the_next_deadline_now)
{
    co_call call = {.fn = nothing};

    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), 0);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), CO_NEVER);
}
END_TEST

/* ---- turns --------------------------------------------------------------- */

/* Also around the scheduler's slice of 61 switches. */
START_TEST(a_turn_runs_each_ready_task_once)
{
    static const int crowds[] = {1, 2, 60, 61, 62, 121, 122, 123, 300};
    int n = crowds[_i];

    memset(counts, 0, sizeof(counts));
    for (int i = 0; i < n; i++)
        start(count_turns, &counts[i]);
    for (int turn = 1; turn <= 5; turn++) {
        ck_assert_int_eq(co_loop_turn(the_loop, 0), n);
        for (int i = 0; i < n; i++)
            ck_assert_int_eq(counts[i], turn);
    }
}
END_TEST

static int spawn_one(void *arg)
{
    return spawn_detached(count_turns, arg);
}

START_TEST(what_becomes_ready_in_a_turn_runs_in_the_next)
{
    memset(counts, 0, sizeof(counts));
    start(spawn_one, &counts[0]);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
    ck_assert_int_eq(counts[0], 0);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
    ck_assert_int_eq(counts[0], 1);
}
END_TEST

static int wake_chain(void *arg)
{
    co_task *next = *(co_task **)arg;

    return next ? co_join(next, NULL) : 0;
}

START_TEST(tasks_that_wake_each_other_take_a_turn_each)
{
    static co_task *tasks[50];
    int turns = 0, left;

    for (int i = 0; i < 50; i++) {
        static co_task *none;

        tasks[i] =
            co_loop_spawn(the_loop, wake_chain, i ? &tasks[i - 1] : &none);
        ck_assert_ptr_nonnull(tasks[i]);
    }
    do {
        left = co_loop_turn(the_loop, 0);
        turns++;
    } while (left > 0);
    ck_assert_int_eq(left, 0);
    ck_assert_int_le(turns, 51);
}
END_TEST

START_TEST(an_empty_loop_turns_to_no_effect)
{
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    ck_assert_ptr_null(co_loop_running());
}
END_TEST

START_TEST(a_turn_does_not_wait_beyond_the_callers_limit)
{
    co_time before = co_now();

    start(sleep_for_ever, NULL);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
    ck_assert_int_eq(co_loop_turn(the_loop, 2 * CO_MS), 1);
    ck_assert_int_ge(co_now() - before, 2 * CO_MS);
    ck_assert_int_lt(co_now() - before, 20 * CO_SEC);
}
END_TEST

START_TEST(a_turn_waits_for_a_timer)
{
    static co_time ns = 2 * CO_MS;
    co_time before = co_now();
    int left;

    start(nap_for, &ns);
    ck_assert_int_eq(co_loop_turn(the_loop, CO_NEVER), 1);
    left = co_loop_turn(the_loop, CO_NEVER);
    /* Once a second the wheel wants to be asked before, see co__timers_next:
     * the turn has waited until then. */
    if (left == 1)
        left = co_loop_turn(the_loop, CO_NEVER);
    ck_assert_int_eq(left, 0);
    ck_assert_int_ge(co_now() - before, ns);
}
END_TEST

START_TEST(a_turn_with_ready_tasks_does_not_wait)
{
    co_time before = co_now();

    memset(counts, 0, sizeof(counts));
    start(count_turns, &counts[0]);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(co_loop_turn(the_loop, CO_SEC), 1);
    ck_assert_int_lt(co_now() - before, 20 * CO_SEC);
}
END_TEST

START_TEST(the_virtual_clock_jumps_no_further_than_the_turn_may_wait)
{
    static co_time ns = 10 * CO_SEC;

    start(nap_for, &ns);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
    ck_assert_int_eq(co_loop_turn(the_loop, CO_SEC), 1);
    ck_assert_int_eq(co_now(), 2 * CO_SEC);
    ck_assert_int_eq(co_loop_turn(the_loop, CO_NEVER), 0);
    ck_assert_int_eq(co_now(), 11 * CO_SEC);
}
END_TEST

/* ---- the descriptor ------------------------------------------------------ */

/* In place of liburing's: so often it fails. */
static int refusals;

struct io_uring;
int io_uring_register_eventfd(struct io_uring *ring, int fd);

int io_uring_register_eventfd(struct io_uring *ring, int fd)
{
    int (*real)(struct io_uring *, int);

    *(void **)&real = dlsym(RTLD_NEXT, "io_uring_register_eventfd");
    if (refusals > 0) {
        refusals--;
        return -ENOMEM;
    }
    return real(ring, fd);
}

START_TEST(poll_alone_has_no_descriptor)
{
    int fd = co_loop_fd(the_loop);

    if (!strcmp(co_loop_backend(the_loop), "poll"))
        ck_assert_int_eq(fd, -ENOTSUP);
    else
        ck_assert_int_ge(fd, 0);
}
END_TEST

static void *turn_elsewhere(void *result)
{
    *(int *)result = co_loop_turn(the_loop, 0);
    return NULL;
}

static int turn_of_another_thread(void)
{
    pthread_t thread;
    int result = 0;

    ck_assert_int_eq(pthread_create(&thread, NULL, turn_elsewhere, &result), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return result;
}

/* The ring that another thread had ends when the kernel likes, and may make the
 * descriptor readable once more. */
static void turn_until_unreadable(void)
{
    struct pollfd p = {.fd = co_loop_fd(the_loop), .events = POLLIN};

    while (p.fd >= 0 && poll(&p, 1, 0) == 1)
        ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
}

/* Of io_uring alone: it is asked for when the loop runs, and at the beginning
 * on another thread. */
START_TEST(the_descriptor_that_the_kernel_refuses_can_be_had_later)
{
    int native = !strcmp(co_loop_backend(the_loop), "io_uring");
    co_call call = {.fn = nothing};

    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    refusals = native;
    if (native)
        ck_assert_int_eq(co_loop_fd(the_loop), -ENOMEM);
    check_readable(0);
    ck_assert_int_eq(turn_of_another_thread(), 0);
    refusals = 2 * native;
    for (int i = 0; i < 2 && native; i++)
        ck_assert_int_eq(co_loop_turn(the_loop, 0), -ENOMEM);
    ck_assert_int_eq(refusals, 0);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    turn_until_unreadable();
    ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
    check_readable(1);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    turn_until_unreadable();
}
END_TEST

START_TEST(a_call_makes_the_descriptor_readable)
{
    co_call call = {.fn = nothing};

    check_readable(0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(co_call_soon_threadsafe(the_loop, &call), 0);
        check_readable(1);
        ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
        check_readable(0);
    }
}
END_TEST

static int call_and_end(void *arg)
{
    return co_call_soon_threadsafe(the_loop, arg);
}

/* Requested while the loop ran, too late to be made in that turn. */
START_TEST(a_call_that_a_turn_leaves_keeps_the_descriptor_readable)
{
    static co_call call = {.fn = nothing};

    start(call_and_end, &call);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    check_readable(1);
    ck_assert_int_eq(co_loop_next_deadline(the_loop), 0);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 0);
    check_readable(0);
}
END_TEST

static int wakes_seen;

static void wake_seen(void *arg)
{
    (void)arg;
    wakes_seen++;
}

enum {
    WAKES = 200,
};

static void *wake_often(void *arg)
{
    static co_call calls[WAKES];

    (void)arg;
    memset(calls, 0, sizeof(calls));
    for (int i = 0; i < WAKES; i++) {
        calls[i].fn = wake_seen;
        if (co_call_soon_threadsafe(the_loop, &calls[i]) < 0)
            return the_loop;
        usleep(20);
    }
    return NULL;
}

/* What a foreign loop does. */
static int poll_once(int limit_ms)
{
    struct pollfd p = {.fd = co_loop_fd(the_loop), .events = POLLIN};
    co_time deadline = co_loop_next_deadline(the_loop);
    co_time left = deadline - co_now();
    struct timespec ts = {0};

    if (deadline == CO_NEVER || left > limit_ms * CO_MS)
        left = limit_ms * CO_MS;
    if (!deadline || left < 0)
        left = 0;
    if (p.fd == -ENOTSUP)
        return co_loop_turn(the_loop, left); /* the loop waits itself */
    ts.tv_sec = (time_t)(left / CO_SEC);
    ts.tv_nsec = (long)(left % CO_SEC);
    ppoll(&p, 1, &ts, NULL);
    return co_loop_turn(the_loop, 0);
}

START_TEST(a_foreign_loop_sees_every_wake)
{
    co_time until = co_now() + 40 * CO_SEC;
    pthread_t thread;
    void *failed;

    wakes_seen = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, wake_often, NULL), 0);
    while (wakes_seen < WAKES && co_now() < until)
        ck_assert_int_ge(poll_once(30000), 0);
    pthread_join(thread, &failed);
    ck_assert_ptr_null(failed);
    ck_assert_int_eq(wakes_seen, WAKES);
}
END_TEST

static int sleep_and_yield(void *arg)
{
    int *steps = arg;

    for (int i = 0; i < 20; i++) {
        if (co_sleep((i % 3) * 100 * CO_US) < 0 || co_yield_now() < 0)
            return -1;
        ++*steps;
    }
    return 0;
}

static int parent_of_three(void *arg)
{
    co_task *children[3];
    int *steps = arg, sum = 0;

    for (int i = 0; i < 3; i++)
        children[i] = co_spawn(sleep_and_yield, steps);
    for (int i = 0; i < 3; i++) {
        int result = -1;

        if (co_join(children[i], &result) < 0)
            return -1;
        sum += result;
    }
    return sum;
}

START_TEST(a_hand_written_poll_loop_drives_tasks_to_their_end)
{
    int left, steps = 0;

    for (int i = 0; i < 10; i++)
        start(parent_of_three, &steps);
    do
        left = poll_once(10000);
    while (left > 0);
    ck_assert_int_eq(left, 0);
    ck_assert_int_eq(steps, 10 * 3 * 20);
}
END_TEST

START_TEST(turns_and_runs_can_be_mixed)
{
    int result = 0;

    memset(counts, 0, sizeof(counts));
    start(count_turns, &counts[0]);
    for (int i = 0; i < 10; i++) {
        int before = counts[0];

        ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
        ck_assert_int_eq(counts[0], before + 1);
        ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, &result), 0);
        ck_assert_int_eq(result, 7);
    }
    /* A stop is for a run; turns end by themselves. */
    ck_assert_int_eq(co_loop_stop(the_loop), 0);
    ck_assert_int_eq(co_loop_turn(the_loop, 0), 1);
    ck_assert_int_eq(co_loop_run_until(the_loop, seven, NULL, &result), 0);
}
END_TEST

static TCase *case_of(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, loop_made, loop_freed);
    suite_add_tcase(s, tc);
    return tc;
}

static Suite *suite(void)
{
    Suite *s = suite_create("embed");
    TCase *tc = case_of(s, "virtual time");

    tcase_add_checked_fixture(tc, virtual_on, virtual_off);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, a_turn_in_a_task_is_a_deadlock);
    tcase_add_test(tc, the_next_deadline_is_now_a_time_or_never);
    tcase_add_test(tc, a_parked_task_without_a_limit_has_no_deadline);
    tcase_add_test(tc, a_call_makes_the_next_deadline_now);
    tcase_add_loop_test(tc, a_turn_runs_each_ready_task_once, 0, 9);
    tcase_add_test(tc, what_becomes_ready_in_a_turn_runs_in_the_next);
    tcase_add_test(tc, tasks_that_wake_each_other_take_a_turn_each);
    tcase_add_test(tc, an_empty_loop_turns_to_no_effect);
    tcase_add_test(tc,
                   the_virtual_clock_jumps_no_further_than_the_turn_may_wait);

    tc = case_of(s, "real time");
    tcase_add_test(tc, a_turn_does_not_wait_beyond_the_callers_limit);
    tcase_add_test(tc, a_turn_waits_for_a_timer);
    tcase_add_test(tc, a_turn_with_ready_tasks_does_not_wait);
    tcase_add_test(tc, poll_alone_has_no_descriptor);
    tcase_add_test(tc, the_descriptor_that_the_kernel_refuses_can_be_had_later);
    tcase_add_test(tc, a_call_makes_the_descriptor_readable);
    tcase_add_test(tc, a_call_that_a_turn_leaves_keeps_the_descriptor_readable);
    tcase_add_test(tc, a_foreign_loop_sees_every_wake);
    tcase_add_test(tc, a_hand_written_poll_loop_drives_tasks_to_their_end);
    tcase_add_test(tc, turns_and_runs_can_be_mixed);
    return s;
}

CO_TEST_MAIN(suite)
