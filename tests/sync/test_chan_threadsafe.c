/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* Channels between threads: tasks of several loops, and plain threads. The
 * threads are real, so is the clock, but for waits of one loop's tasks that are
 * cut short. */
#include <coppice.h>

#include "core/turn.h"

#include "sync_support.h"

#include "support/random.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static co_chan *chan;

static void make(size_t capacity)
{
    chan = co_chan_new_threadsafe(sizeof(int64_t), capacity);
    ck_assert_ptr_nonnull(chan);
}

static void done(void)
{
    co_chan_free(chan);
    chan = NULL;
}

/* ---- both kinds of thread ------------------------------------------------ */

/* A function that a thread runs, as it is or as a task of a loop of its own. */
struct worker {
    pthread_t thread;
    co_task_fn fn;
    void *arg;
    int in_loop;
    int result;
};

static void *work(void *arg)
{
    struct worker *worker = arg;

    worker->result = worker->in_loop ? co_run(worker->fn, worker->arg)
                                     : worker->fn(worker->arg);
    return NULL;
}

static void start(struct worker *worker, int in_loop, co_task_fn fn, void *arg)
{
    worker->fn = fn;
    worker->arg = arg;
    worker->in_loop = in_loop;
    worker->result = 12345;
    ck_assert_int_eq(pthread_create(&worker->thread, NULL, work, worker), 0);
}

static int end(struct worker *worker)
{
    ck_assert_int_eq(pthread_join(worker->thread, NULL), 0);
    return worker->result;
}

/* ---- from one thread to the other ---------------------------------------- */

#define COUNT 200

static int send_count(void *unused)
{
    (void)unused;
    for (int64_t i = 1; i <= COUNT; i++) {
        int r = co_chan_send(chan, &i);

        if (r < 0)
            return r;
    }
    return co_chan_close(chan);
}

/* Receive 1, 2, 3, ... until the channel is closed, and return the last. */
static int recv_in_order(void *unused)
{
    int64_t value, last = 0;

    (void)unused;
    co_chan_each(chan, &value) {
        if (value != last + 1)
            return -EILSEQ;
        last = value;
    }
    return co_chan_closed(chan) ? (int)last : -EPROTO;
}

/* The bits say which of the two run in loops. */
START_TEST(elements_arrive_in_order_between_all_kinds_of_threads)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        struct worker sender, receiver;

        make(capacity);
        start(&sender, _i & 1, send_count, NULL);
        start(&receiver, _i & 2, recv_in_order, NULL);
        ck_assert_int_eq(end(&sender), 0);
        ck_assert_int_eq(end(&receiver), COUNT);
        done();
    }
}
END_TEST

static co_chan *back;

static int echo(void *unused)
{
    int64_t value;

    (void)unused;
    co_chan_each(chan, &value) {
        int r = co_chan_send(back, &value);

        if (r < 0)
            return r;
    }
    return 0;
}

static int ping(void *unused)
{
    (void)unused;
    for (int64_t i = 0; i < COUNT; i++) {
        int64_t value = -1;
        int r = co_chan_send(chan, &i);

        if (r == 0)
            r = co_chan_recv(back, &value);
        if (r != 1 || value != i)
            return r < 0 ? r : -EILSEQ;
    }
    return co_chan_close(chan);
}

START_TEST(two_threads_talk_both_ways)
{
    struct worker a, b;

    make(0);
    back = co_chan_new_threadsafe(sizeof(int64_t), 0);
    ck_assert_ptr_nonnull(back);
    start(&a, _i & 1, echo, NULL);
    start(&b, _i & 2, ping, NULL);
    ck_assert_int_eq(end(&a), 0);
    ck_assert_int_eq(end(&b), 0);
    co_chan_free(back);
    done();
}
END_TEST

CO_TASK_TEST(tasks_of_one_loop_may_share_one)
{
    co_task *task;

    make(0);
    task = co_test_spawn(send_count, NULL);
    ck_assert_int_eq(recv_in_order(NULL), COUNT);
    ck_assert_int_eq(co_test_result(task), 0);
    done();
}

/* ---- what does not wait -------------------------------------------------- */

START_TEST(try_and_look_need_no_loop)
{
    int64_t value = 5;

    make(1);
    ck_assert_int_eq(co_chan_try_recv(chan, &value), -EAGAIN);
    ck_assert_int_eq(co_chan_try_send(chan, &value), 0);
    ck_assert_uint_eq(co_chan_len(chan), 1);
    ck_assert_uint_eq(co_chan_capacity(chan), 1);
    ck_assert_int_eq(co_chan_try_send(chan, &value), -EAGAIN);
    value = 0;
    ck_assert_int_eq(co_chan_recv(chan, &value), 1);
    ck_assert_int_eq(value, 5);
    ck_assert_int_eq(co_chan_send(chan, &value), 0);
    ck_assert_int_eq(co_chan_closed(chan), 0);
    ck_assert_int_eq(co_chan_close(chan), 0);
    ck_assert_int_eq(co_chan_close(chan), -EALREADY);
    ck_assert_int_eq(co_chan_closed(chan), 1);
    ck_assert_int_eq(co_chan_send(chan, &value), -EPIPE);
    ck_assert_int_eq(co_chan_try_send(chan, &value), -EPIPE);
    ck_assert_int_eq(co_chan_recv(chan, &value), 1);
    ck_assert_int_eq(co_chan_recv(chan, &value), 0);
    ck_assert_int_eq(co_chan_try_recv(chan, &value), 0);
    ck_assert_int_eq(co_chan_send(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_try_recv(chan, NULL), -EINVAL);
    done();
}
END_TEST

/* ---- limits -------------------------------------------------------------- */

static int time_out(void *unused)
{
    int64_t value = 0;
    int r = 0;

    (void)unused;
    co_timeout(CO_MS) {
        r = co_chan_recv(chan, &value);
    }
    if (r != -ETIMEDOUT)
        return -1000;
    co_timeout(CO_MS) {
        r = co_chan_send(chan, &value);
    }
    if (r != -ETIMEDOUT)
        return -1001;
    co_timeout(0) {
        r = co_chan_send(chan, &value);
    }
    return r == -ETIMEDOUT ? 0 : -1002;
}

START_TEST(waits_end_with_their_limits)
{
    struct worker worker;

    make(0);
    start(&worker, _i, time_out, NULL);
    ck_assert_int_eq(end(&worker), 0);
    done();
}
END_TEST

static int recv_one(void *unused)
{
    int64_t value;

    (void)unused;
    return co_chan_recv(chan, &value);
}

CO_TASK_TEST(cancelled_wait_takes_nothing)
{
    int64_t value = 3;
    co_task *task;

    make(1);
    task = co_test_spawn(recv_one, NULL);
    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(co_chan_send(chan, &value), 0);
    ck_assert_uint_eq(co_chan_len(chan), 1);
    done();
}

CO_TASK_TEST(what_was_handed_over_before_a_cancel_is_returned)
{
    int64_t value = 3;
    co_task *task;

    make(0);
    task = co_test_spawn(recv_one, NULL);
    co_test_yield();
    ck_assert_int_eq(co_chan_send(chan, &value), 0);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 1);
    done();
}

/* From a thread the hand-over may have been made, but not have arrived: then
 * too it counts. */
CO_TASK_TEST(what_was_handed_over_after_a_cancel_is_returned_too)
{
    int64_t value = 3;
    co_task *task;

    make(0);
    task = co_test_spawn(recv_one, NULL);
    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_chan_try_send(chan, &value), 0);
    ck_assert_int_eq(co_test_result(task), 1);
    done();
}

/* ---- cut short ----------------------------------------------------------- */

static size_t capacity;
static int elsewhere; /* the waits are ended by another thread */
static int64_t next_sent, received[2];
static int received_count;

/* Each capacity, and who ends the wait. */
#define EACH_WAY(name)                                                         \
    static void name##_in_a_way(void);                                         \
    START_TEST(name)                                                           \
    {                                                                          \
        capacity = (size_t)_i / 2;                                             \
        elsewhere = _i % 2;                                                    \
        co_test_in_task(name##_in_a_way);                                      \
    }                                                                          \
    END_TEST                                                                   \
    static void name##_in_a_way(void)

static int send_next(void)
{
    int64_t value = ++next_sent;

    return co_chan_send(chan, &value);
}

static int recv_next(void)
{
    int64_t value = -1;
    int r = co_chan_recv(chan, &value);

    if (r == 1)
        received[received_count++ % 2] = value;
    return r;
}

static int try_send_next(void *unused)
{
    int64_t value = ++next_sent;

    (void)unused;
    return co_chan_try_send(chan, &value);
}

static int try_take(void *unused)
{
    int64_t value = -1;
    int r = co_chan_try_recv(chan, &value);

    (void)unused;
    return r == 1 ? (int)value : r;
}

/* By a thread it is done when this returns, but no task has been told. */
static int other_side(co_task_fn fn)
{
    struct worker worker;

    if (!elsewhere)
        return fn(NULL);
    start(&worker, 0, fn, NULL);
    return end(&worker);
}

static void take_all(int from, int to)
{
    for (int i = from; i <= to; i++)
        ck_assert_int_eq(other_side(try_take), i);
}

static void start_empty(void)
{
    make(capacity);
    next_sent = received_count = 0;
}

static void start_full(void)
{
    start_empty();
    for (size_t i = 0; i < capacity; i++)
        ck_assert_int_eq(send_next(), 0);
}

static void cancel_two(void)
{
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_cancel(sync_task[i]), 1);
}

/* Two that wait, and are about to be cut short: by a timeout, or a cancel. */
static void line_up_two(sync_wait *wait, int late)
{
    if (late)
        sync_line_up_nearly_late(wait, NULL, 2);
    else
        sync_line_up(wait, NULL, 2);
}

static void cut(int late)
{
    if (late)
        co__turn(co__loop, 0); /* which sees that the time is up */
    else
        cancel_two();
}

/* Two that have been cut short, but do not know it yet. */
static void line_up_cut(sync_wait *wait, int late)
{
    if (late) {
        sync_line_up_late(wait, NULL, 2);
    } else {
        sync_line_up(wait, NULL, 2);
        cancel_two();
    }
}

EACH_WAY(what_was_taken_before_the_cut_is_sent)
{
    for (int late = 0; late < 2; late++) {
        start_full();
        line_up_two(send_next, late);
        take_all(1, 2);
        cut(late);
        sync_results_are(0, 2, 0);
        take_all(3, (int)capacity + 2);
        ck_assert_int_eq(try_take(NULL), -EAGAIN);
        done();
    }
}

EACH_WAY(what_is_taken_after_the_cut_is_sent_too)
{
    for (int late = 0; late < 2; late++) {
        start_full();
        line_up_cut(send_next, late);
        take_all(1, 2);
        sync_results_are(0, 2, 0);
        take_all(3, (int)capacity + 2);
        ck_assert_int_eq(try_take(NULL), -EAGAIN);
        done();
    }
}

EACH_WAY(senders_that_gave_up_have_sent_nothing)
{
    for (int late = 0; late < 2; late++) {
        start_full();
        line_up_cut(send_next, late);
        sync_results_are(0, 2, late ? -ETIMEDOUT : -ECANCELED);
        sync_line_up(send_next, NULL, 1);
        take_all(1, (int)capacity);
        ck_assert_int_eq(other_side(try_take), capacity + 3);
        sync_results_are(0, 1, 0);
        ck_assert_int_eq(try_take(NULL), -EAGAIN);
        done();
    }
}

static void two_have_received(void)
{
    sync_results_are(0, 2, 1);
    ck_assert_int_eq(received_count, 2);
    ck_assert_int_eq(received[0] + received[1], 3);
    ck_assert_uint_eq(co_chan_len(chan), 0);
}

EACH_WAY(what_was_sent_before_the_cut_is_received)
{
    for (int late = 0; late < 2; late++) {
        start_empty();
        line_up_two(recv_next, late);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(other_side(try_send_next), 0);
        cut(late);
        two_have_received();
        done();
    }
}

EACH_WAY(what_is_sent_after_the_cut_is_received_too)
{
    for (int late = 0; late < 2; late++) {
        start_empty();
        line_up_cut(recv_next, late);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(other_side(try_send_next), 0);
        two_have_received();
        done();
    }
}

EACH_WAY(receivers_that_gave_up_have_taken_nothing)
{
    for (int late = 0; late < 2; late++) {
        start_empty();
        line_up_cut(recv_next, late);
        sync_results_are(0, 2, late ? -ETIMEDOUT : -ECANCELED);
        ck_assert_int_eq(other_side(try_send_next), capacity ? 0 : -EAGAIN);
        ck_assert_int_eq(try_take(NULL), capacity ? 1 : -EAGAIN);
        done();
    }
}

/* ---- steady state -------------------------------------------------------- */

static void pass_both_ways(void)
{
    sync_line_up(recv_next, NULL, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(send_next(), 0);
    sync_results_are(0, 2, 1);
    for (size_t i = 0; i < capacity; i++)
        ck_assert_int_eq(send_next(), 0);
    sync_line_up(send_next, NULL, 2);
    for (size_t i = 0; i < capacity + 2; i++)
        ck_assert_int_eq(recv_next(), 1);
    sync_results_are(0, 2, 0);
}

static void wait_in_time_and_too_long(void)
{
    sync_line_up_nearly_late(recv_next, NULL, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(send_next(), 0);
    sync_results_are(0, 2, 1);
    sync_line_up_late(recv_next, NULL, 2);
    sync_results_are(0, 2, -ETIMEDOUT);
}

CO_TASK_TEST(nothing_is_allocated)
{
    for (capacity = 0; capacity < 3; capacity++) {
        start_empty();
        sync_allocates_nothing(pass_both_ways);
        done();
    }
}

CO_TASK_TEST(nothing_is_allocated_for_time_limits)
{
    for (capacity = 0; capacity < 3; capacity++) {
        start_empty();
        sync_allocates_nothing(wait_in_time_and_too_long);
        done();
    }
}

/* ---- loop callbacks ------------------------------------------------------ */

static co_call call;
static int called;

static void wait_in_callback(void *unused)
{
    int64_t value = 0;

    (void)unused;
    ck_assert_int_eq(co_chan_recv(chan, &value), -EPERM);
    ck_assert_int_eq(co_chan_send(chan, &value), -EPERM);
    ck_assert_int_eq(co_chan_try_send(chan, &value), -EAGAIN);
    called = 1;
}

CO_TASK_TEST(loop_callback_cannot_wait)
{
    make(0);
    called = 0;
    call = (co_call){.fn = wait_in_callback};
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    while (!called)
        co_test_yield();
    done();
}

/* ---- selects ------------------------------------------------------------- */

static co_future *future;

static int select_once(co_case *cases, size_t count)
{
    int i = co_select(cases, count);

    return i < 0 ? i : 100 * i + cases[i].result;
}

static int select_all(void *unused)
{
    int64_t value = 0;
    co_case cases[] = {
        CO_CASE_RECV(chan, &value),
        CO_CASE_FUTURE(future, NULL),
        CO_CASE_AFTER(100 * CO_SEC),
    };

    (void)unused;
    return select_once(cases, 3);
}

static void start_select(void)
{
    make(0);
    future = co_future_new_threadsafe();
    ck_assert_ptr_nonnull(future);
}

static void done_select(void)
{
    co_future_unref(future);
    done();
}

START_TEST(select_is_ended_by_another_thread)
{
    struct worker worker;
    int64_t value = 1;

    start_select();
    start(&worker, _i, select_all, NULL);
    ck_assert_int_eq(co_chan_send(chan, &value), 0);
    ck_assert_int_eq(end(&worker), 1);
    start(&worker, _i, select_all, NULL);
    ck_assert_int_eq(co_sleep(CO_MS), 0); /* mostly it waits by then */
    ck_assert_int_eq(co_future_resolve(future, 7, NULL), 0);
    ck_assert_int_eq(end(&worker), 107);
    done_select();
}
END_TEST

static int select_late(void *unused)
{
    int64_t value = 0;
    co_case cases[] = {
        CO_CASE_SEND(chan, &value),
        CO_CASE_FUTURE(future, NULL),
        CO_CASE_AFTER(CO_MS),
    };
    int r = 0;

    (void)unused;
    if (select_once(cases, 3) != 200)
        return -1000;
    co_timeout(CO_MS) {
        r = select_once(cases, 2);
    }
    return r;
}

START_TEST(select_ends_with_its_time_and_its_limits)
{
    struct worker worker;

    start_select();
    start(&worker, _i, select_late, NULL);
    ck_assert_int_eq(end(&worker), -ETIMEDOUT);
    done_select();
}
END_TEST

START_TEST(thread_cannot_wait_for_what_belongs_to_a_loop)
{
    co_chan *local = co_chan_new(sizeof(int64_t), 0);
    int64_t value = 0;
    co_case cases[] = {
        CO_CASE_RECV(local, &value),
        CO_CASE_RECV(chan, &value),
    };

    make(0);
    ck_assert_ptr_nonnull(local);
    cases[1] = CO_CASE_RECV(chan, &value);
    ck_assert_int_eq(co_select(cases, 2), -EPERM);
    ck_assert_int_eq(co_chan_close(chan), 0);
    ck_assert_int_eq(co_select(cases, 2), 1);
    co_chan_free(local);
    done();
}
END_TEST

/* ---- closing ------------------------------------------------------------- */

#define WAITERS 6

static int send_one(void *unused)
{
    int64_t value = 1;

    (void)unused;
    return co_chan_send(chan, &value);
}

START_TEST(close_ends_the_waits_of_all_threads)
{
    struct worker worker[WAITERS];

    make(0);
    for (int i = 0; i < WAITERS; i++)
        start(&worker[i], i & 1, _i ? send_one : recv_one, NULL);
    ck_assert_int_eq(co_sleep(CO_MS), 0); /* most wait by then */
    ck_assert_int_eq(co_chan_close(chan), 0);
    for (int i = 0; i < WAITERS; i++)
        ck_assert_int_eq(end(&worker[i]), _i ? -EPIPE : 0);
    done();
}
END_TEST

/* ---- many at once -------------------------------------------------------- */

#define SIDES 3 /* workers on each side */
#define TASKS 4 /* in each worker that is a loop */

static struct {
    atomic_llong sent, received; /* sums */
    atomic_int sent_count, received_count;
    atomic_int senders; /* that are not done */
    int each;           /* elements a sender */
    int impatient;      /* calls have short timeouts */
    co_chan *select[2]; /* both, for selects */
} stress;

static co_time patience(struct co_test_random *random)
{
    return stress.impatient ? co_test_random_below(random, 60) * CO_US
                            : 100 * CO_SEC;
}

/* One attempt to send or receive. With two channels by a select. */
static int attempt(struct co_test_random *random, int sends, int64_t *value)
{
    co_case cases[2];
    int r = 0;

    co_timeout(patience(random)) {
        if (!stress.select[0]) {
            r = sends ? co_chan_send(chan, value) : co_chan_recv(chan, value);
            continue;
        }
        for (int i = 0; i < 2; i++)
            cases[i] = sends ? CO_CASE_SEND(stress.select[i], value)
                             : CO_CASE_RECV(stress.select[i], value);
        r = co_select(cases, 2);
        if (r >= 0)
            r = cases[r].result;
    }
    return r;
}

static int sender(void *seed)
{
    struct co_test_random random = {(uint64_t)(uintptr_t)seed};

    for (int i = 0; i < stress.each;) {
        int64_t value = 1 + co_test_random_below(&random, 1000000);
        int r = attempt(&random, 1, &value);

        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return r;
        atomic_fetch_add(&stress.sent, value);
        atomic_fetch_add(&stress.sent_count, 1);
        i++;
    }
    return 0;
}

static int receiver(void *seed)
{
    struct co_test_random random = {(uint64_t)(uintptr_t)seed};
    int64_t value = 0;
    int r;

    for (;;) {
        r = attempt(&random, 0, &value);
        if (r == -ETIMEDOUT)
            continue;
        if (r != 1)
            return r;
        atomic_fetch_add(&stress.received, value);
        atomic_fetch_add(&stress.received_count, 1);
    }
}

struct side {
    co_task_fn fn;
    intptr_t seed;
};

static int side_in_loop(void *arg)
{
    struct side *side = arg;
    co_task *task[TASKS];

    for (intptr_t i = 0; i < TASKS; i++)
        task[i] = co_test_spawn(side->fn, co_test_number(side->seed * 10 + i));
    for (int i = 0; i < TASKS; i++) {
        int r = co_test_result(task[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

static int side_in_thread(void *arg)
{
    struct side *side = arg;

    return side->fn(co_test_number(side->seed * 10));
}

static void run_stress(int each, int impatient)
{
    struct worker senders[SIDES], receivers[SIDES];
    struct side side[2 * SIDES];

    stress.sent = stress.received = 0;
    stress.sent_count = stress.received_count = 0;
    stress.each = each;
    stress.impatient = impatient;
    for (int i = 0; i < SIDES; i++) {
        side[i] = (struct side){sender, i + 1};
        side[SIDES + i] = (struct side){receiver, SIDES + i + 1};
        start(&senders[i], i < 2, i < 2 ? side_in_loop : side_in_thread,
              &side[i]);
        start(&receivers[i], i < 2, i < 2 ? side_in_loop : side_in_thread,
              &side[SIDES + i]);
    }
    for (int i = 0; i < SIDES; i++)
        ck_assert_int_eq(end(&senders[i]), 0);
    if (stress.select[0]) {
        ck_assert_int_eq(co_chan_close(stress.select[0]), 0);
        ck_assert_int_eq(co_chan_close(stress.select[1]), 0);
    } else {
        ck_assert_int_eq(co_chan_close(chan), 0);
    }
    for (int i = 0; i < SIDES; i++)
        ck_assert_int_eq(end(&receivers[i]), 0);
}

static void check_stress(int64_t left, int left_count)
{
    ck_assert_int_eq(stress.sent_count, stress.each * (2 * TASKS + 1));
    ck_assert_int_eq(stress.received_count + left_count, stress.sent_count);
    ck_assert(stress.received + left == stress.sent);
}

START_TEST(nothing_is_lost_or_doubled_among_many)
{
    make((size_t)_i % 3);
    stress.select[0] = NULL;
    run_stress(co_test_scale(3000, 300), _i >= 3);
    check_stress(0, 0);
    done();
}
END_TEST

/* A receiver that selects ends at the first channel that is closed, so there
 * may be something left in the other. */
START_TEST(nothing_is_lost_or_doubled_among_many_selects)
{
    int64_t value, left = 0;
    int count = 0;

    for (int i = 0; i < 2; i++) {
        stress.select[i] =
            co_chan_new_threadsafe(sizeof(int64_t), (size_t)_i % 3);
        ck_assert_ptr_nonnull(stress.select[i]);
    }
    run_stress(co_test_scale(2000, 200), _i >= 3);
    for (int i = 0; i < 2; i++) {
        while (co_chan_try_recv(stress.select[i], &value) == 1) {
            left += value;
            count++;
        }
        co_chan_free(stress.select[i]);
    }
    check_stress(left, count);
}
END_TEST

static void add_cut_short(Suite *s)
{
    TCase *tc = tcase_create("cut_short");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_loop_test(tc, what_was_taken_before_the_cut_is_sent, 0, 6);
    tcase_add_loop_test(tc, what_is_taken_after_the_cut_is_sent_too, 0, 6);
    tcase_add_loop_test(tc, senders_that_gave_up_have_sent_nothing, 0, 6);
    tcase_add_loop_test(tc, what_was_sent_before_the_cut_is_received, 0, 6);
    tcase_add_loop_test(tc, what_is_sent_after_the_cut_is_received_too, 0, 6);
    tcase_add_loop_test(tc, receivers_that_gave_up_have_taken_nothing, 0, 6);
    tcase_add_test(tc, nothing_is_allocated);
    tcase_add_test(tc, nothing_is_allocated_for_time_limits);
    suite_add_tcase(s, tc);
}

static Suite *suite(void)
{
    Suite *s = suite_create("chan_threadsafe");
    TCase *tc = tcase_create("two");

    co_test_check_fds(tc);
    tcase_add_loop_test(
        tc, elements_arrive_in_order_between_all_kinds_of_threads, 0, 4);
    tcase_add_loop_test(tc, two_threads_talk_both_ways, 0, 4);
    tcase_add_test(tc, tasks_of_one_loop_may_share_one);
    tcase_add_test(tc, try_and_look_need_no_loop);
    suite_add_tcase(s, tc);

    tc = tcase_create("limits");
    co_test_check_fds(tc);
    tcase_add_loop_test(tc, waits_end_with_their_limits, 0, 2);
    tcase_add_test(tc, cancelled_wait_takes_nothing);
    tcase_add_test(tc, what_was_handed_over_before_a_cancel_is_returned);
    tcase_add_test(tc, what_was_handed_over_after_a_cancel_is_returned_too);
    tcase_add_test(tc, loop_callback_cannot_wait);
    tcase_add_loop_test(tc, close_ends_the_waits_of_all_threads, 0, 2);
    tcase_add_loop_test(tc, select_is_ended_by_another_thread, 0, 2);
    tcase_add_loop_test(tc, select_ends_with_its_time_and_its_limits, 0, 2);
    tcase_add_test(tc, thread_cannot_wait_for_what_belongs_to_a_loop);
    suite_add_tcase(s, tc);
    add_cut_short(s);

    tc = tcase_create("many");
    co_test_check_fds(tc);
    tcase_add_loop_test(tc, nothing_is_lost_or_doubled_among_many, 0, 6);
    tcase_add_loop_test(tc, nothing_is_lost_or_doubled_among_many_selects, 0,
                        6);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
