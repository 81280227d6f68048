/* SPDX-License-Identifier: MIT */
/* Waiting for one of several things. */
#include <coppice.h>

#include "core/sched.h"
#include "core/turn.h"

#include "sync_support.h"

#include "support/random.h"

#include <unistd.h>

#define CHANNELS 4

static co_chan *chan[CHANNELS];
static int value[CHANNELS]; /* what a select sends, or has received */
static co_case cases[24];
static int happened; /* what the last co_select returned */
static co_chan *(*make_chan)(size_t, size_t);

static void make(size_t capacity)
{
    for (int i = 0; i < CHANNELS; i++) {
        chan[i] = make_chan(sizeof(int), capacity);
        ck_assert_ptr_nonnull(chan[i]);
        value[i] = -1;
    }
}

static void done(void)
{
    for (int i = 0; i < CHANNELS; i++)
        co_chan_free(chan[i]);
}

/* Most tests are for both kinds of channel: a select over those of a loop has a
 * short way, and over others it has not. */
static co_chan *(*const kinds[])(size_t, size_t) = {co_chan_new,
                                                    co_chan_new_threadsafe};

#define BOTH_KINDS(name)                                                       \
    static void name##_of_a_kind(void);                                        \
    START_TEST(name)                                                           \
    {                                                                          \
        make_chan = kinds[_i];                                                 \
        co_test_in_task(name##_of_a_kind);                                     \
    }                                                                          \
    END_TEST                                                                   \
    static void name##_of_a_kind(void)

static int send_to(int i, int number)
{
    return co_chan_send(chan[i], &number);
}

static int try_send(int i, int number)
{
    return co_chan_try_send(chan[i], &number);
}

static int try_recv(int i)
{
    int number = -1;
    int r = co_chan_try_recv(chan[i], &number);

    return r == 1 ? number : r;
}

/* The selects of these tests: receive from all, send to all. Each returns the
 * result of what happened, or the error of the select. */
static int finish(size_t count)
{
    co_case own[CO_ARRAY_LEN(cases)]; /* while others change `cases` */

    memcpy(own, cases, count * sizeof(own[0]));
    happened = co_select(own, count);
    return happened < 0 ? happened : own[happened].result;
}

static int recv_any(void)
{
    for (int i = 0; i < CHANNELS; i++)
        cases[i] = CO_CASE_RECV(chan[i], &value[i]);
    return finish(CHANNELS);
}

static int send_any(void)
{
    for (int i = 0; i < CHANNELS; i++) {
        value[i] = 10 + i;
        cases[i] = CO_CASE_SEND(chan[i], &value[i]);
    }
    return finish(CHANNELS);
}

/* ---- channels ------------------------------------------------------------ */

BOTH_KINDS(ready_case_happens_without_waiting)
{
    make(1);
    for (int i = 0; i < CHANNELS; i++) {
        ck_assert_int_eq(send_to(i, 5), 0);
        ck_assert_int_eq(recv_any(), 1);
        ck_assert_int_eq(happened, i);
        ck_assert_int_eq(value[i], 5);
    }
    for (int i = 0; i < CHANNELS; i++)
        ck_assert_int_eq(send_any(), 0);
    for (int i = 0; i < CHANNELS; i++)
        ck_assert_int_eq(try_recv(i), 10 + i);
    done();
}

BOTH_KINDS(select_waits_until_one_can_receive)
{
    for (int i = 0; i < CHANNELS; i++) {
        make(0);
        sync_line_up(recv_any, NULL, 1);
        ck_assert_int_eq(send_to(i, 7), 0);
        sync_results_are(0, 1, 1);
        ck_assert_int_eq(happened, i);
        ck_assert_int_eq(value[i], 7);
        done();
    }
}

BOTH_KINDS(select_waits_until_one_can_send)
{
    for (int i = 0; i < CHANNELS; i++) {
        make(0);
        sync_line_up(send_any, NULL, 1);
        ck_assert_int_eq(try_recv(i), 10 + i);
        sync_results_are(0, 1, 0);
        ck_assert_int_eq(happened, i);
        done();
    }
}

BOTH_KINDS(one_case_happens_and_no_other)
{
    make(0);
    sync_line_up(recv_any, NULL, 1);
    ck_assert_int_eq(try_send(1, 101), 0);
    for (int i = 0; i < CHANNELS; i++)
        ck_assert_int_eq(try_send(i, 9), -EAGAIN);
    sync_results_are(0, 1, 1);
    ck_assert_int_eq(happened, 1);
    for (int i = 0; i < CHANNELS; i++)
        ck_assert_int_eq(value[i], i == 1 ? 101 : -1);
    done();
}

BOTH_KINDS(selects_are_served_in_their_order)
{
    make(0);
    sync_line_up(recv_any, NULL, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(try_send(i, i), 0);
    ck_assert_int_eq(try_send(3, 3), -EAGAIN);
    sync_results_are(0, 3, 1);
    sync_log_is("abc");
    done();
}

BOTH_KINDS(a_select_meets_a_select)
{
    make(0);
    sync_line_up(send_any, NULL, 2);
    ck_assert_int_eq(recv_any(), 1);
    ck_assert_int_eq(value[happened], 10 + happened);
    ck_assert_int_eq(recv_any(), 1);
    sync_results_are(0, 2, 0);
    for (int i = 0; i < CHANNELS; i++)
        ck_assert_int_eq(try_recv(i), -EAGAIN);
    done();
}

static int send_or_recv(void)
{
    value[0] = 3;
    cases[0] = CO_CASE_SEND(chan[0], &value[0]);
    cases[1] = CO_CASE_RECV(chan[0], &value[1]);
    return finish(2);
}

BOTH_KINDS(a_select_does_not_meet_itself)
{
    make(0);
    sync_line_up(send_or_recv, NULL, 1);
    ck_assert_int_eq(try_recv(0), 3);
    sync_results_are(0, 1, 0);
    sync_line_up(send_or_recv, NULL, 1);
    ck_assert_int_eq(try_send(0, 4), 0);
    sync_results_are(0, 1, 1);
    ck_assert_int_eq(value[1], 4);
    done();
}

/* A wake that says "look again", and there is nothing to see. */
static void wake_for_nothing(int count)
{
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < count; i++)
            ck_assert_int_eq(co__wake(sync_task[i], 0), 1);
        co_test_yield();
        for (int i = 0; i < count; i++)
            ck_assert_int_eq(sync_task[i]->state, CO__TASK_PARKED);
    }
}

static int send_or_recv_in_time(void)
{
    value[0] = 3;
    cases[0] = CO_CASE_SEND(chan[0], &value[0]);
    cases[1] = CO_CASE_RECV(chan[0], &value[1]);
    cases[2] = CO_CASE_AFTER(CO_SEC);
    return finish(3);
}

BOTH_KINDS(a_select_that_looks_again_does_not_meet_itself)
{
    make(0);
    sync_line_up(send_or_recv_in_time, NULL, 1);
    wake_for_nothing(1);
    ck_assert_int_eq(try_send(0, 4), 0);
    sync_results_are(0, 1, 1);
    ck_assert_int_eq(happened, 1);
    ck_assert_int_eq(value[1], 4);
    ck_assert_int_eq(try_recv(0), -EAGAIN);
    done();
}

BOTH_KINDS(one_channel_may_be_in_several_cases)
{
    make(0);
    cases[0] = CO_CASE_RECV(chan[0], &value[0]);
    cases[1] = CO_CASE_RECV(chan[0], &value[1]);
    cases[2] = CO_CASE_AFTER(CO_MS);
    ck_assert_int_eq(finish(3), 0);
    ck_assert_int_eq(happened, 2);
    done();
}

BOTH_KINDS(closed_channels_are_ready)
{
    make(0);
    ck_assert_int_eq(co_chan_close(chan[2]), 0);
    ck_assert_int_eq(recv_any(), 0);
    ck_assert_int_eq(happened, 2);
    ck_assert_int_eq(send_any(), -EPIPE);
    ck_assert_int_eq(happened, 2);
    done();
}

BOTH_KINDS(close_ends_a_select)
{
    make(0);
    sync_line_up(recv_any, NULL, 2);
    ck_assert_int_eq(co_chan_close(chan[3]), 0);
    sync_results_are(0, 2, 0);
    ck_assert_int_eq(happened, 3);
    done();
    make(0);
    sync_line_up(send_any, NULL, 2);
    ck_assert_int_eq(co_chan_close(chan[0]), 0);
    sync_results_are(0, 2, -EPIPE);
    ck_assert_int_eq(happened, 0);
    done();
}

BOTH_KINDS(null_channels_are_never_ready)
{
    make(0);
    cases[0] = CO_CASE_RECV(NULL, &value[0]);
    cases[1] = CO_CASE_SEND(NULL, &value[0]);
    cases[2] = CO_CASE_AFTER(CO_SEC);
    cases[3] = CO_CASE_RECV(chan[0], &value[0]);
    ck_assert_int_eq(finish(4), 0);
    ck_assert_int_eq(happened, 2);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    done();
}

BOTH_KINDS(pure_signals_need_no_element)
{
    co_chan *signal = make_chan(0, 0);

    ck_assert_ptr_nonnull(signal);
    make(0);
    cases[0] = CO_CASE_RECV(signal, NULL);
    cases[1] = CO_CASE_RECV(chan[0], &value[0]);
    cases[2] = CO_CASE_AFTER(CO_SEC);
    ck_assert_int_eq(finish(3), 0);
    ck_assert_int_eq(happened, 2);
    ck_assert_int_eq(co_chan_close(signal), 0);
    ck_assert_int_eq(finish(3), 0);
    ck_assert_int_eq(happened, 0);
    co_chan_free(signal);
    done();
}

/* ---- fairness ------------------------------------------------------------ */

#define DRAWS 4000

/* Of the ready ones each is chosen about as often, wherever they stand. */
BOTH_KINDS(ready_cases_are_chosen_evenly)
{
    static const unsigned sets[] = {0xf, 0x3, 0x9, 0xb};

    for (size_t k = 0; k < sizeof(sets) / sizeof(*sets); k++) {
        int count[CHANNELS] = {0}, ready = __builtin_popcount(sets[k]);

        make(1);
        for (int i = 0; i < CHANNELS; i++)
            if (sets[k] >> i & 1)
                ck_assert_int_eq(try_send(i, i), 0);
        for (int draw = 0; draw < DRAWS; draw++) {
            ck_assert_int_eq(recv_any(), 1);
            count[happened]++;
            ck_assert_int_eq(try_send(happened, 1), 0);
        }
        for (int i = 0; i < CHANNELS; i++) {
            int expected = sets[k] >> i & 1 ? DRAWS / ready : 0;

            ck_assert_int_le(count[i], expected + expected / 5);
            ck_assert_int_ge(count[i], expected - expected / 5);
        }
        done();
    }
}

static int busy_sender(void *i)
{
    int number = 0, r = 0;

    while (r == 0)
        r = co_chan_send(chan[(intptr_t)i], &number);
    return r;
}

BOTH_KINDS(no_sender_starves)
{
    int count[CHANNELS] = {0};
    co_task *task[CHANNELS];

    make(0);
    for (int i = 0; i < CHANNELS; i++)
        task[i] = co_test_spawn(busy_sender, co_test_number(i));
    for (int draw = 0; draw < DRAWS; draw++) {
        ck_assert_int_eq(recv_any(), 1);
        count[happened]++;
    }
    for (int i = 0; i < CHANNELS; i++) {
        ck_assert_int_gt(count[i], DRAWS / CHANNELS / 2);
        ck_assert_int_eq(co_chan_close(chan[i]), 0);
        ck_assert_int_eq(co_test_result(task[i]), -EPIPE);
    }
    done();
}

/* ---- times and default --------------------------------------------------- */

BOTH_KINDS(the_first_time_ends_a_select)
{
    make(0);
    cases[0] = CO_CASE_AFTER(3 * CO_SEC);
    cases[1] = CO_CASE_AT(co_now() + 2 * CO_SEC);
    cases[2] = CO_CASE_RECV(chan[0], &value[0]);
    cases[3] = CO_CASE_AT(CO_NEVER);
    ck_assert_int_eq(finish(4), 0);
    ck_assert_int_eq(happened, 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 2 * CO_SEC);
    ck_assert_int_eq(finish(1), 0); /* AFTER begins anew with each select */
    ck_assert_int_eq(co_test_clock_elapsed(), 5 * CO_SEC);
    done();
}

BOTH_KINDS(times_that_have_come_are_ready)
{
    make(0);
    cases[0] = CO_CASE_RECV(chan[0], &value[0]);
    cases[1] = CO_CASE_AFTER(0);
    ck_assert_int_eq(finish(2), 0);
    ck_assert_int_eq(happened, 1);
    cases[1] = CO_CASE_AFTER(-5);
    ck_assert_int_eq(finish(2), 0);
    cases[1] = CO_CASE_AT(co_now());
    ck_assert_int_eq(finish(2), 0);
    ck_assert_int_eq(happened, 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    done();
}

BOTH_KINDS(default_happens_only_if_nothing_else_can)
{
    make(1);
    cases[0] = CO_CASE_DEFAULT();
    cases[1] = CO_CASE_RECV(chan[1], &value[1]);
    cases[2] = CO_CASE_AFTER(CO_SEC);
    ck_assert_int_eq(finish(3), 0);
    ck_assert_int_eq(happened, 0);
    ck_assert_int_eq(try_send(1, 6), 0);
    for (int i = 0; i < 3; i++)
        cases[i].result = 99;
    ck_assert_int_eq(finish(3), 1);
    ck_assert_int_eq(happened, 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    done();
}

/* ---- futures ------------------------------------------------------------- */

static co_future *future;
static void *pointer;

static int recv_or_future(void)
{
    cases[0] = CO_CASE_RECV(chan[0], &value[0]);
    cases[1] = CO_CASE_FUTURE(future, &pointer);
    return finish(2);
}

/* Each kind of channel beside each kind of future. */
static void start_future(int threadsafe)
{
    future = threadsafe ? co_future_new_threadsafe() : co_future_new();
    ck_assert_ptr_nonnull(future);
    pointer = NULL;
    make(0);
}

static void done_future(void)
{
    co_future_unref(future);
    done();
}

BOTH_KINDS(future_ends_a_select)
{
    for (int threadsafe = 0; threadsafe < 2; threadsafe++) {
        start_future(threadsafe);
        sync_line_up(recv_or_future, NULL, 2);
        ck_assert_int_eq(co_future_resolve(future, 4, value), 0);
        sync_results_are(0, 2, 4);
        ck_assert_int_eq(happened, 1);
        ck_assert_ptr_eq(pointer, value);
        ck_assert_int_eq(recv_or_future(), 4); /* it is done */
        done_future();
    }
}

BOTH_KINDS(failed_future_gives_its_error)
{
    for (int threadsafe = 0; threadsafe < 2; threadsafe++) {
        start_future(threadsafe);
        sync_line_up(recv_or_future, NULL, 1);
        ck_assert_int_eq(co_future_fail(future, -EIO), 0);
        sync_results_are(0, 1, -EIO);
        ck_assert_int_eq(happened, 1);
        ck_assert_ptr_null(pointer);
        done_future();
    }
}

BOTH_KINDS(a_select_that_has_ended_has_left_its_future)
{
    for (int threadsafe = 0; threadsafe < 2; threadsafe++) {
        start_future(threadsafe);
        sync_line_up(recv_or_future, NULL, 1);
        ck_assert_int_eq(try_send(0, 1), 0);
        ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
        sync_results_are(0, 1, 1);
        ck_assert_int_eq(happened, 0);
        done_future();
    }
}

/* It was resolved first, so the select is ready and takes nothing that is
 * handed over; but when it looks again both can happen. */
BOTH_KINDS(nothing_is_lost_when_two_come_at_once)
{
    int from_future = 0;

    for (int round = 0; round < 40; round++) {
        start_future(0);
        sync_line_up(recv_or_future, NULL, 1);
        ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
        sync_task[1] = co_test_spawn(busy_sender, co_test_number(0));
        co_test_yield();
        if (co_test_result(sync_task[0]) == 0) {
            ck_assert_int_eq(happened, 1);
            from_future++;
        }
        while (try_recv(0) != 0)
            co_test_yield();
        ck_assert_int_eq(co_cancel(sync_task[1]), 1);
        ck_assert_int_lt(co_test_result(sync_task[1]), 0);
        done_future();
    }
    ck_assert_int_gt(from_future, 0);
}

CO_TASK_TEST(own_future_and_null_future_are_errors_of_the_case)
{
    cases[0] = CO_CASE_FUTURE(co_task_future(co_self()), NULL);
    cases[1] = CO_CASE_RECV(NULL, NULL);
    ck_assert_int_eq(finish(2), -EDEADLK);
    ck_assert_int_eq(happened, 0);
    cases[0] = CO_CASE_FUTURE(NULL, NULL);
    ck_assert_int_eq(finish(2), -EINVAL);
    ck_assert_int_eq(happened, 0);
}

/* ---- descriptors --------------------------------------------------------- */

static int fds[2];

static int recv_or_fd(void)
{
    cases[0] = CO_CASE_RECV(chan[0], &value[0]);
    cases[1] = CO_CASE_FD(fds[0], CO_READABLE);
    return finish(2);
}

static void start_fd(int adopted)
{
    ck_assert_int_eq(pipe(fds), 0);
    if (adopted) {
        ck_assert_int_eq(co_adopt(fds[0]), 0);
        ck_assert_int_eq(co_adopt(fds[1]), 0);
    }
    make(0);
}

static void done_fd(void)
{
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
    done();
}

static int write_soon(void *unused)
{
    (void)unused;
    return co_write(fds[1], "x", 1) == 1 ? 0 : -EIO;
}

BOTH_KINDS(descriptor_ends_a_select)
{
    for (int adopted = 0; adopted < 2; adopted++) {
        char c = 0;

        start_fd(adopted);
        for (int i = 0; i < 3; i++) {
            sync_line_up(recv_or_fd, NULL, 1);
            ck_assert_int_eq(write_soon(NULL), 0);
            sync_results_are(0, 1, CO_READABLE);
            ck_assert_int_eq(happened, 1);
            ck_assert_int_eq(recv_or_fd(), CO_READABLE); /* it still is */
            ck_assert_int_eq(co_read(fds[0], &c, 1), 1);
        }
        sync_line_up(recv_or_fd, NULL, 1);
        ck_assert_int_eq(try_send(0, 2), 0);
        sync_results_are(0, 1, 1);
        ck_assert_int_eq(happened, 0);
        done_fd();
    }
}

BOTH_KINDS(closing_a_descriptor_ends_a_select)
{
    for (int adopted = 0; adopted < 2; adopted++) {
        start_fd(adopted);
        sync_line_up(recv_or_fd, NULL, 1);
        ck_assert_int_eq(co_close(fds[0]), 0);
        sync_results_are(0, 1, -EBADF);
        ck_assert_int_eq(happened, 1);
        ck_assert_int_eq(co_close(fds[1]), 0);
        done();
    }
}

CO_TASK_TEST(bad_descriptors_are_errors_of_the_case)
{
    cases[0] = CO_CASE_RECV(NULL, NULL);
    cases[1] = CO_CASE_FD(-1, CO_READABLE);
    ck_assert_int_eq(finish(2), -EBADF);
    ck_assert_int_eq(happened, 1);
    cases[1] = CO_CASE_FD(0, 0);
    ck_assert_int_eq(finish(2), -EINVAL);
    cases[1] = CO_CASE_FD(0, 8);
    ck_assert_int_eq(finish(2), -EINVAL);
    cases[1] = CO_CASE_FD(-1, CO_WRITABLE);
    cases[2] = CO_CASE_DEFAULT();
    ck_assert_int_eq(finish(3), -EBADF);
}

/* ---- cut short ----------------------------------------------------------- */

/* Everything at once. */
static int wait_for_all_kinds(void)
{
    cases[0] = CO_CASE_RECV(chan[0], &value[0]);
    cases[1] = CO_CASE_SEND(chan[1], &value[1]);
    cases[2] = CO_CASE_FUTURE(future, NULL);
    cases[3] = CO_CASE_FD(fds[0], CO_READABLE);
    cases[4] = CO_CASE_AFTER(10 * CO_SEC);
    cases[5] = CO_CASE_RECV(chan[2], &value[2]);
    return finish(6);
}

/* The two ways there are through a select. */
static sync_wait *const waits[] = {recv_any, wait_for_all_kinds};

static void start_all(void)
{
    future = co_future_new();
    start_fd(0);
}

static void done_all(void)
{
    co_future_unref(future);
    done_fd();
}

BOTH_KINDS(what_happened_before_a_cancel_is_returned)
{
    for (int way = 0; way < 2; way++) {
        start_all();
        sync_line_up(waits[way], NULL, 1);
        ck_assert_int_eq(try_send(0, 8), 0);
        ck_assert_int_eq(co_cancel(sync_task[0]), 1);
        sync_results_are(0, 1, 1);
        ck_assert_int_eq(value[0], 8);
        done_all();
    }
}

/* A thread-safe channel may hand over to who is cancelled, for it cannot know;
 * then that is what happened. */
BOTH_KINDS(cancelled_select_loses_nothing)
{
    for (int way = 0; way < 2; way++) {
        int sent;

        start_all();
        sync_line_up(waits[way], NULL, 1);
        ck_assert_int_eq(co_cancel(sync_task[0]), 1);
        sent = try_send(0, 8);
        if (make_chan == co_chan_new)
            ck_assert_int_eq(sent, -EAGAIN);
        sync_results_are(0, 1, sent == 0 ? 1 : -ECANCELED);
        ck_assert_int_eq(try_send(0, 8), -EAGAIN); /* it has left the line */
        ck_assert_int_eq(try_send(2, 8), -EAGAIN);
        ck_assert_int_eq(try_recv(1), -EAGAIN);
        done_all();
    }
}

static int first_few(size_t count)
{
    for (size_t i = 0; i < count; i++)
        cases[i] = i % 2 ? CO_CASE_SEND(chan[i], &value[i])
                         : CO_CASE_RECV(chan[i], &value[i]);
    return finish(count);
}

static int first_two(void)
{
    return first_few(2);
}

static int first_four(void)
{
    return first_few(4);
}

/* Before it runs: the channels may be freed, which stops the program if a task
 * is in line. A few channels of a loop are left by who ends the wait. */
CO_TASK_TEST(a_select_of_a_few_leaves_its_lines_at_once)
{
    static sync_wait *const few[] = {first_two, first_four};

    make_chan = co_chan_new;
    for (int way = 0; way < 4; way++) {
        make(0);
        sync_line_up(few[way / 2], NULL, 2);
        if (way % 2) {
            ck_assert_int_eq(co_cancel(sync_task[0]), 1);
            ck_assert_int_eq(co_cancel(sync_task[1]), 1);
        } else {
            ck_assert_int_eq(try_send(0, 8), 0);
            ck_assert_int_eq(try_recv(1), -1);
        }
        done();
        sync_results_are(0, 1, way % 2 ? -ECANCELED : 1);
        sync_results_are(1, 2, way % 2 ? -ECANCELED : 0);
        if (way % 2 == 0)
            ck_assert_int_eq(value[0], 8);
    }
}

BOTH_KINDS(what_happened_before_the_timeout_is_seen_is_returned)
{
    for (int way = 0; way < 2; way++) {
        start_all();
        sync_line_up_nearly_late(waits[way], NULL, 1);
        ck_assert_int_eq(try_send(0, 8), 0);
        sync_results_are(0, 1, 1);
        done_all();
    }
}

BOTH_KINDS(late_select_has_left_all_lines)
{
    for (int way = 0; way < 2; way++) {
        start_all();
        sync_line_up_late(waits[way], NULL, 2);
        sync_results_are(0, 2, -ETIMEDOUT);
        ck_assert_int_eq(try_send(0, 8), -EAGAIN);
        ck_assert_int_eq(try_recv(1), -EAGAIN);
        ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
        done_all();
    }
}

/* ---- cut short while sending --------------------------------------------- */

/* Each sends 11 to channel 1. */
static sync_wait *const senders[] = {send_any, wait_for_all_kinds};

static void line_up_senders(int way,
                            void (*line_up)(sync_wait *, void (*)(void), int))
{
    start_all();
    value[1] = 11;
    line_up(senders[way], NULL, 2);
}

static void nobody_is_in_line(void)
{
    for (int i = 0; i < CHANNELS; i++) {
        ck_assert_int_eq(try_recv(i), -EAGAIN);
        ck_assert_int_eq(try_send(i, 9), -EAGAIN);
    }
}

BOTH_KINDS(what_was_taken_before_a_cancel_is_sent)
{
    for (int way = 0; way < 2; way++) {
        line_up_senders(way, sync_line_up);
        ck_assert_int_eq(try_recv(1), 11);
        ck_assert_int_eq(co_cancel(sync_task[0]), 1);
        sync_results_are(0, 1, 0);
        ck_assert_int_eq(happened, 1);
        ck_assert_int_eq(try_recv(1), 11);
        sync_results_are(1, 2, 0);
        nobody_is_in_line();
        done_all();
    }
}

/* As above, from a thread-safe channel it may be taken all the same. */
BOTH_KINDS(cancelled_select_sends_nothing_that_is_not_taken)
{
    int local = make_chan == co_chan_new;

    for (int way = 0; way < 2; way++) {
        line_up_senders(way, sync_line_up);
        ck_assert_int_eq(co_cancel(sync_task[0]), 1);
        ck_assert_int_eq(try_recv(1), 11);
        sync_results_are(0, 1, local ? -ECANCELED : 0);
        if (!local)
            ck_assert_int_eq(try_recv(1), 11);
        sync_results_are(1, 2, 0);
        nobody_is_in_line();
        done_all();
    }
}

BOTH_KINDS(what_was_taken_before_the_timeout_is_seen_is_sent)
{
    for (int way = 0; way < 2; way++) {
        line_up_senders(way, sync_line_up_nearly_late);
        ck_assert_int_eq(try_recv(1), 11);
        sync_results_are(0, 1, 0);
        sync_results_are(1, 2, -ETIMEDOUT);
        nobody_is_in_line();
        done_all();
    }
}

BOTH_KINDS(what_was_taken_before_the_timeout_is_sent_when_it_is_seen)
{
    for (int way = 0; way < 2; way++) {
        line_up_senders(way, sync_line_up_nearly_late);
        ck_assert_int_eq(try_recv(1), 11);
        co__turn(co__loop, 0);
        sync_results_are(0, 1, 0);
        sync_results_are(1, 2, -ETIMEDOUT);
        nobody_is_in_line();
        done_all();
    }
}

BOTH_KINDS(late_select_sends_nothing_that_is_not_taken)
{
    int local = make_chan == co_chan_new;

    for (int way = 0; way < 2; way++) {
        line_up_senders(way, sync_line_up_late);
        ck_assert_int_eq(try_recv(1), local ? -EAGAIN : 11);
        sync_results_are(0, 1, local ? -ETIMEDOUT : 0);
        sync_results_are(1, 2, -ETIMEDOUT);
        nobody_is_in_line();
        done_all();
    }
}

/* ---- cut short, and something becomes ready ------------------------------ */

static void resolve(void)
{
    ck_assert_int_eq(co_future_resolve(future, 4, NULL), 0);
}

/* It is reported in the loop's next turn. */
static void make_readable(void)
{
    ck_assert_int_eq(write_soon(NULL), 0);
    co__turn(co__loop, 0);
}

static void pass_time(void)
{
    co_test_clock_pass(10 * CO_SEC);
    co__turn(co__loop, 0);
}

/* What may become ready in wait_for_all_kinds. */
static const struct ending {
    void (*come)(void);
    int number; /* of the case */
    int result;
    co_time when; /* after the start, at the earliest */
} endings[] = {
    {resolve, 2, 4, 0},
    {make_readable, 3, CO_READABLE, 0},
    {pass_time, 4, 0, 10 * CO_SEC},
};

#define ENDINGS (2 * (int)CO_ARRAY_LEN(endings))

/* Each beside both kinds of futures and of descriptors. */
static const struct ending *start_ending(int k)
{
    future = k % 2 ? co_future_new_threadsafe() : co_future_new();
    ck_assert_ptr_nonnull(future);
    start_fd(k % 2);
    happened = -1;
    return &endings[k / 2];
}

static void has_ended(int task, const struct ending *ending)
{
    sync_results_are(task, task + 1, ending->result);
    ck_assert_int_eq(happened, ending->number);
}

BOTH_KINDS(what_came_before_a_cancel_is_returned)
{
    for (int k = 0; k < ENDINGS; k++) {
        const struct ending *ending = start_ending(k);

        sync_line_up(wait_for_all_kinds, NULL, 1);
        ending->come();
        ck_assert_int_eq(sync_task[0]->state, CO__TASK_READY);
        ck_assert_int_eq(co_cancel(sync_task[0]), 1);
        has_ended(0, ending);
        nobody_is_in_line();
        done_all();
    }
}

BOTH_KINDS(what_comes_after_a_cancel_is_for_the_next)
{
    for (int k = 0; k < ENDINGS; k++) {
        const struct ending *ending = start_ending(k);
        co_time began = co_test_clock_elapsed();

        sync_line_up(wait_for_all_kinds, NULL, 2);
        ck_assert_int_eq(co_cancel(sync_task[0]), 1);
        ending->come();
        sync_results_are(0, 1, -ECANCELED);
        has_ended(1, ending);
        ck_assert_int_eq(co_test_clock_elapsed() - began, ending->when);
        nobody_is_in_line();
        done_all();
    }
}

BOTH_KINDS(what_came_before_a_timeout_is_returned)
{
    for (int k = 0; k < ENDINGS; k++) {
        const struct ending *ending = start_ending(k);

        sync_spawn(wait_for_all_kinds, NULL, co_now() + ending->when + CO_SEC,
                   1);
        co_test_yield();
        ending->come();
        ck_assert_int_eq(sync_task[0]->state, CO__TASK_READY);
        co_test_clock_pass(2 * CO_SEC);
        co__turn(co__loop, 0);
        has_ended(0, ending);
        nobody_is_in_line();
        done_all();
    }
}

/* In the turn that would have found the time to be up. */
BOTH_KINDS(what_comes_before_the_timeout_is_seen_is_returned)
{
    for (int k = 0; k < ENDINGS && !endings[k / 2].when; k++) {
        const struct ending *ending = start_ending(k);

        sync_line_up_nearly_late(wait_for_all_kinds, NULL, 1);
        ending->come();
        has_ended(0, ending);
        nobody_is_in_line();
        done_all();
    }
}

BOTH_KINDS(what_comes_after_a_timeout_is_there_for_the_next)
{
    for (int k = 0; k < ENDINGS; k++) {
        const struct ending *ending = start_ending(k);

        sync_line_up_late(wait_for_all_kinds, NULL, 2);
        ending->come();
        sync_results_are(0, 2, -ETIMEDOUT);
        nobody_is_in_line();
        sync_spawn(wait_for_all_kinds, NULL, CO_NEVER, 1);
        has_ended(0, ending);
        done_all();
    }
}

/* When both have come before the loop looks. */
BOTH_KINDS(the_earlier_of_its_time_and_its_limit_ends_a_select)
{
    for (int seconds = 9; seconds < 12; seconds++) {
        start_all();
        sync_spawn(wait_for_all_kinds, NULL, co_now() + seconds * CO_SEC, 1);
        co_test_yield();
        co_test_clock_pass(20 * CO_SEC);
        sync_results_are(0, 1, seconds < 10 ? -ETIMEDOUT : 0);
        nobody_is_in_line();
        done_all();
    }
}

BOTH_KINDS(pending_cancel_or_timeout_tries_nothing)
{
    for (int way = 0; way < 2; way++) {
        start_all();
        done_all();
        start_all();
        ck_assert_int_eq(co_future_resolve(future, 0, NULL), 0);
        sync_refused_when_cancelled(waits[way]);
        sync_refused_when_late(waits[way]);
        done_all();
    }
}

/* ---- bad input, and where it is called ----------------------------------- */

CO_TASK_TEST(bad_input_is_einval)
{
    ck_assert_int_eq(co_select(NULL, 1), -EINVAL);
    ck_assert_int_eq(co_select(cases, 0), -EINVAL);
    ck_assert_int_eq(co_select(cases, CO_SELECT_MAX + 1), -EINVAL);
    memset(cases, 0, sizeof(cases));
    ck_assert_int_eq(co_select(cases, 1), -EINVAL);
    cases[0] = CO_CASE_AFTER(0);
    ck_assert_int_eq(co_select(cases, 2), -EINVAL);
}

BOTH_KINDS(null_element_is_an_error_of_the_case)
{
    make(0);
    cases[0] = CO_CASE_RECV(chan[0], NULL);
    cases[1] = CO_CASE_RECV(NULL, NULL);
    ck_assert_int_eq(finish(2), -EINVAL);
    ck_assert_int_eq(happened, 0);
    cases[0] = CO_CASE_SEND(chan[0], NULL);
    ck_assert_int_eq(finish(2), -EINVAL);
    done();
}

BOTH_KINDS(loop_callback_cannot_wait)
{
    start_all();
    ck_assert_int_eq(sync_in_callback(recv_any), -EPERM);
    ck_assert_int_eq(sync_in_callback(wait_for_all_kinds), -EPERM);
    ck_assert_int_eq(co_future_resolve(future, 6, NULL), 0);
    ck_assert_int_eq(sync_in_callback(wait_for_all_kinds), 6);
    done_all();
}

START_TEST(outside_a_loop_what_needs_no_wait_works)
{
    make_chan = kinds[0];
    make(1);
    ck_assert_int_eq(recv_any(), -EPERM);
    ck_assert_int_eq(try_send(1, 3), 0);
    ck_assert_int_eq(recv_any(), 1);
    ck_assert_int_eq(happened, 1);
    cases[0] = CO_CASE_DEFAULT();
    ck_assert_int_eq(finish(3), 0);
    cases[0] = CO_CASE_FD(0, CO_READABLE);
    ck_assert_int_eq(finish(1), -EPERM);
    done();
}
END_TEST

/* ---- many cases ---------------------------------------------------------- */

#define LARGE 24

static int wait_for_many(void)
{
    for (int i = 0; i < LARGE; i++)
        cases[i] = i % 3 == 2 ? CO_CASE_AT(CO_NEVER)
                              : CO_CASE_RECV(chan[i % 3], &value[i % 3]);
    return finish(LARGE);
}

BOTH_KINDS(more_cases_than_the_stack_holds_work_too)
{
    make(0);
    sync_line_up(wait_for_many, NULL, 2);
    ck_assert_int_eq(try_send(1, 5), 0);
    ck_assert_int_eq(try_send(0, 5), 0);
    sync_results_are(0, 2, 1);
    ck_assert_int_eq(happened % 3, 0);
    done();
}

BOTH_KINDS(no_memory_for_many_cases_is_enomem)
{
    make(1);
    ck_assert_int_eq(try_send(0, 5), 0);
    co__fault_after(1);
    ck_assert_int_eq(wait_for_many(), -ENOMEM);
    co__fault_after(0);
    ck_assert_int_eq(wait_for_many(), 1);
    done();
}

/* ---- steady state -------------------------------------------------------- */

static void use_all(void)
{
    for (int way = 0; way < 2; way++) {
        sync_line_up(waits[way], NULL, 2);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(try_send(0, 1), 0);
        sync_results_are(0, 2, 1);
    }
}

BOTH_KINDS(nothing_is_allocated)
{
    start_all();
    sync_allocates_nothing(use_all);
    done_all();
}

static TCase *case_of(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    suite_add_tcase(s, tc);
    return tc;
}

#define BOTH(name) tcase_add_loop_test(tc, name, 0, 2)

BOTH_KINDS(a_select_that_looks_again_keeps_its_place)
{
    start_all();
    sync_line_up(wait_for_all_kinds, NULL, 2);
    wake_for_nothing(1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(try_send(0, i), 0);
    ck_assert_int_eq(try_send(0, 9), -EAGAIN);
    ck_assert_int_eq(try_send(2, 9), -EAGAIN);
    ck_assert_int_eq(try_recv(1), -EAGAIN);
    sync_results_are(0, 2, 1);
    sync_log_is("ab");
    done_all();
}

static void add_things(Suite *s)
{
    TCase *tc = case_of(s, "things");

    BOTH(the_first_time_ends_a_select);
    BOTH(times_that_have_come_are_ready);
    BOTH(default_happens_only_if_nothing_else_can);
    BOTH(future_ends_a_select);
    BOTH(failed_future_gives_its_error);
    BOTH(a_select_that_has_ended_has_left_its_future);
    BOTH(nothing_is_lost_when_two_come_at_once);
    tcase_add_test(tc, own_future_and_null_future_are_errors_of_the_case);
    BOTH(descriptor_ends_a_select);
    BOTH(closing_a_descriptor_ends_a_select);
    tcase_add_test(tc, bad_descriptors_are_errors_of_the_case);
}

static void add_cut_short(Suite *s)
{
    TCase *tc = case_of(s, "cut_short");

    BOTH(what_happened_before_a_cancel_is_returned);
    BOTH(cancelled_select_loses_nothing);
    tcase_add_test(tc, a_select_of_a_few_leaves_its_lines_at_once);
    BOTH(what_happened_before_the_timeout_is_seen_is_returned);
    BOTH(late_select_has_left_all_lines);
    BOTH(what_was_taken_before_a_cancel_is_sent);
    BOTH(cancelled_select_sends_nothing_that_is_not_taken);
    BOTH(what_was_taken_before_the_timeout_is_seen_is_sent);
    BOTH(what_was_taken_before_the_timeout_is_sent_when_it_is_seen);
    BOTH(late_select_sends_nothing_that_is_not_taken);
    BOTH(what_came_before_a_cancel_is_returned);
    BOTH(what_comes_after_a_cancel_is_for_the_next);
    BOTH(what_came_before_a_timeout_is_returned);
    BOTH(what_comes_before_the_timeout_is_seen_is_returned);
    BOTH(what_comes_after_a_timeout_is_there_for_the_next);
    BOTH(the_earlier_of_its_time_and_its_limit_ends_a_select);
    BOTH(pending_cancel_or_timeout_tries_nothing);
    BOTH(a_select_that_looks_again_keeps_its_place);
}

static Suite *suite(void)
{
    Suite *s = suite_create("sync/select");
    TCase *tc = case_of(s, "channels");

    BOTH(ready_case_happens_without_waiting);
    BOTH(select_waits_until_one_can_receive);
    BOTH(select_waits_until_one_can_send);
    BOTH(one_case_happens_and_no_other);
    BOTH(selects_are_served_in_their_order);
    BOTH(a_select_meets_a_select);
    BOTH(a_select_does_not_meet_itself);
    BOTH(a_select_that_looks_again_does_not_meet_itself);
    BOTH(one_channel_may_be_in_several_cases);
    BOTH(closed_channels_are_ready);
    BOTH(close_ends_a_select);
    BOTH(null_channels_are_never_ready);
    BOTH(pure_signals_need_no_element);
    BOTH(ready_cases_are_chosen_evenly);
    BOTH(no_sender_starves);
    add_things(s);

    add_cut_short(s);

    tc = case_of(s, "limits");
    tcase_add_test(tc, bad_input_is_einval);
    BOTH(null_element_is_an_error_of_the_case);
    BOTH(loop_callback_cannot_wait);
    tcase_add_test(tc, outside_a_loop_what_needs_no_wait_works);
    BOTH(more_cases_than_the_stack_holds_work_too);
    BOTH(no_memory_for_many_cases_is_enomem);
    BOTH(nothing_is_allocated);
    return s;
}

CO_TEST_MAIN(suite)
