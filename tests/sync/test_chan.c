/* SPDX-License-Identifier: MIT */
/* Channels between the tasks of one loop. */
#include "sync/chan.h"

#include <coppice.h>

#include "core/turn.h"

#include "sync_support.h"

#include "support/random.h"

static co_chan *chan;

static void make(size_t capacity)
{
    chan = co_chan_new(sizeof(int), capacity);
    ck_assert_ptr_nonnull(chan);
}

/* Nobody waits for it any more, or this stops the test. */
static void done(void)
{
    co_chan_free(chan);
    chan = NULL;
}

static int try_send(int value)
{
    return co_chan_try_send(chan, &value);
}

static int try_recv(void)
{
    int value = -1;
    int r = co_chan_try_recv(chan, &value);

    return r == 1 ? value : r;
}

/* The waits of these tests: each sends the next number, or receives into
 * `received` at the place of its turn. */
static int next_sent, received[SYNC_TASKS], received_count;

static int send_next(void)
{
    int value = ++next_sent;

    return co_chan_send(chan, &value);
}

static int recv_next(void)
{
    int value = -1;
    int r = co_chan_recv(chan, &value);

    if (r == 1 && received_count < SYNC_TASKS)
        received[received_count++] = value;
    return r;
}

static void start(size_t capacity)
{
    make(capacity);
    next_sent = received_count = 0;
}

/* ---- making -------------------------------------------------------------- */

START_TEST(new_channel_is_open_and_empty)
{
    make(3);
    ck_assert_uint_eq(co_chan_len(chan), 0);
    ck_assert_uint_eq(co_chan_capacity(chan), 3);
    ck_assert_int_eq(co_chan_closed(chan), 0);
    done();
}
END_TEST

START_TEST(no_memory_or_too_large_is_enomem)
{
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_chan_new(8, 8));
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_chan_new_threadsafe(8, 8));
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(0);
    errno = 0;
    ck_assert_ptr_null(co_chan_new(SIZE_MAX / 2, 3));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(co_chan_new(1, SIZE_MAX));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(null_arguments_are_einval)
{
    int value = 0;

    make(1);
    co_chan_free(NULL);
    ck_assert_int_eq(co_chan_send(NULL, &value), -EINVAL);
    ck_assert_int_eq(co_chan_recv(NULL, &value), -EINVAL);
    ck_assert_int_eq(co_chan_try_send(NULL, &value), -EINVAL);
    ck_assert_int_eq(co_chan_try_recv(NULL, &value), -EINVAL);
    ck_assert_int_eq(co_chan_send(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_recv(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_try_send(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_try_recv(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_close(NULL), -EINVAL);
    ck_assert_uint_eq(co_chan_len(NULL), 0);
    ck_assert_uint_eq(co_chan_capacity(NULL), 0);
    ck_assert_int_eq(co_chan_closed(NULL), 0);
    done();
}
END_TEST

CO_TASK_TEST(null_elements_are_einval_in_a_task)
{
    make(1);
    ck_assert_int_eq(co_chan_send(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_recv(chan, NULL), -EINVAL);
    ck_assert_uint_eq(co_chan_len(chan), 0);
    done();
}

/* ---- unbuffered ---------------------------------------------------------- */

CO_TASK_TEST(senders_wait_for_receivers_in_their_order)
{
    start(0);
    sync_line_up(send_next, NULL, 3);
    ck_assert_uint_eq(co_chan_len(chan), 0);
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(try_recv(), i);
    ck_assert_int_eq(try_recv(), -EAGAIN);
    sync_results_are(0, 3, 0);
    sync_log_is("abc");
    done();
}

CO_TASK_TEST(receivers_wait_for_senders_in_their_order)
{
    start(0);
    sync_line_up(recv_next, NULL, 3);
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(try_send(9), -EAGAIN);
    sync_results_are(0, 3, 1);
    sync_log_is("abc");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(received[i], i + 1);
    done();
}

CO_TASK_TEST(a_send_that_finds_a_receiver_does_not_wait)
{
    start(0);
    sync_line_up(recv_next, NULL, 1);
    ck_assert_int_eq(send_next(), 0);
    sync_log_is(""); /* it has not run yet */
    sync_results_are(0, 1, 1);
    done();
}

CO_TASK_TEST(a_receive_that_finds_a_sender_does_not_wait)
{
    start(0);
    sync_line_up(send_next, NULL, 1);
    ck_assert_int_eq(recv_next(), 1);
    sync_log_is("");
    sync_results_are(0, 1, 0);
    done();
}

/* ---- buffered ------------------------------------------------------------ */

CO_TASK_TEST(elements_come_out_in_order_around_the_end_of_the_ring)
{
    int in = 0, out = 0;

    make(3);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i <= round % 3; i++)
            ck_assert_int_eq(try_send(in++), 0);
        ck_assert_uint_eq(co_chan_len(chan), (size_t)(in - out));
        while (out < in)
            ck_assert_int_eq(try_recv(), out++);
        ck_assert_int_eq(try_recv(), -EAGAIN);
    }
    done();
}

CO_TASK_TEST(sender_waits_while_the_channel_is_full)
{
    start(2);
    sync_line_up(send_next, NULL, 0);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(try_send(9), -EAGAIN);
    sync_line_up(send_next, NULL, 2);
    ck_assert_uint_eq(co_chan_len(chan), 2);
    for (int i = 1; i <= 4; i++)
        ck_assert_int_eq(try_recv(), i);
    sync_results_are(0, 2, 0);
    sync_log_is("ab");
    done();
}

CO_TASK_TEST(room_goes_to_the_waiting_sender_not_to_a_newcomer)
{
    start(1);
    ck_assert_int_eq(send_next(), 0);
    sync_line_up(send_next, NULL, 1);
    ck_assert_int_eq(try_recv(), 1);
    ck_assert_uint_eq(co_chan_len(chan), 1);
    ck_assert_int_eq(try_send(9), -EAGAIN);
    ck_assert_int_eq(try_recv(), 2);
    sync_results_are(0, 1, 0);
    done();
}

CO_TASK_TEST(an_element_goes_to_the_waiting_receiver_not_to_a_newcomer)
{
    start(4);
    sync_line_up(recv_next, NULL, 1);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_uint_eq(co_chan_len(chan), 0);
    ck_assert_int_eq(try_recv(), -EAGAIN);
    sync_results_are(0, 1, 1);
    ck_assert_int_eq(received[0], 1);
    done();
}

/* ---- sizes of elements --------------------------------------------------- */

static co_chan *sized;
static unsigned char sized_in[40], sized_out[40];

static int recv_sized(void *unused)
{
    (void)unused;
    return co_chan_recv(sized, sized_out);
}

static int send_sized(void *unused)
{
    (void)unused;
    return co_chan_send(sized, sized_in);
}

/* To a waiting receiver, from a waiting sender, and through the ring. */
CO_TASK_TEST(elements_of_all_sizes_arrive_whole)
{
    for (size_t bytes = 0; bytes <= 24; bytes++) {
        for (int way = 0; way < 3; way++) {
            co_task *task;

            sized = co_chan_new(bytes, way == 2 ? 2 : 0);
            ck_assert_ptr_nonnull(sized);
            for (size_t i = 0; i < sizeof(sized_in); i++) {
                sized_in[i] = (unsigned char)(bytes + i + 1);
                sized_out[i] = 0;
            }
            task = co_test_spawn(way == 0 ? recv_sized : send_sized, NULL);
            co_test_yield();
            if (way == 0)
                ck_assert_int_eq(send_sized(NULL), 0);
            else
                ck_assert_int_eq(recv_sized(NULL), 1);
            ck_assert_int_eq(co_test_result(task), way == 0);
            ck_assert_mem_eq(sized_in, sized_out, bytes);
            ck_assert_uint_eq(sized_out[bytes], 0);
            co_chan_free(sized);
        }
    }
}

CO_TASK_TEST(pure_signals_need_no_element)
{
    sized = co_chan_new(0, 2);
    ck_assert_ptr_nonnull(sized);
    ck_assert_int_eq(co_chan_send(sized, NULL), 0);
    ck_assert_int_eq(co_chan_try_send(sized, NULL), 0);
    ck_assert_int_eq(co_chan_try_send(sized, NULL), -EAGAIN);
    ck_assert_uint_eq(co_chan_len(sized), 2);
    ck_assert_int_eq(co_chan_recv(sized, NULL), 1);
    ck_assert_int_eq(co_chan_try_recv(sized, NULL), 1);
    ck_assert_int_eq(co_chan_try_recv(sized, NULL), -EAGAIN);
    co_chan_free(sized);
}

/* ---- closing ------------------------------------------------------------- */

CO_TASK_TEST(close_ends_the_waits_of_receivers)
{
    start(0);
    sync_line_up(recv_next, NULL, 3);
    ck_assert_int_eq(co_chan_close(chan), 0);
    sync_results_are(0, 3, 0);
    sync_log_is("abc");
    ck_assert_int_eq(received_count, 0);
    done();
}

CO_TASK_TEST(close_ends_the_waits_of_senders)
{
    start(1);
    ck_assert_int_eq(send_next(), 0);
    sync_line_up(send_next, NULL, 3);
    ck_assert_int_eq(co_chan_close(chan), 0);
    sync_results_are(0, 3, -EPIPE);
    ck_assert_int_eq(try_recv(), 1);
    ck_assert_int_eq(try_recv(), 0);
    done();
}

CO_TASK_TEST(closed_channel_is_drained_and_takes_nothing)
{
    start(2);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(co_chan_close(chan), 0);
    ck_assert_int_eq(co_chan_close(chan), -EALREADY);
    ck_assert_int_eq(co_chan_closed(chan), 1);
    ck_assert_int_eq(send_next(), -EPIPE);
    ck_assert_int_eq(try_send(3), -EPIPE);
    ck_assert_int_eq(recv_next(), 1);
    ck_assert_int_eq(try_recv(), 2);
    ck_assert_int_eq(recv_next(), 0);
    ck_assert_int_eq(try_recv(), 0);
    done();
}

static int close_it(void *unused)
{
    (void)unused;
    for (int i = 0; i < 4; i++) {
        int r = send_next();

        if (r < 0)
            return r;
    }
    return co_chan_close(chan);
}

CO_TASK_TEST(iteration_ends_when_the_channel_is_closed_and_empty)
{
    int value = 0, sum = 0;
    co_task *task;

    start(1);
    task = co_test_spawn(close_it, NULL);
    co_chan_each(chan, &value)
        sum = sum * 10 + value;
    ck_assert_int_eq(sum, 1234);
    ck_assert_int_eq(co_test_result(task), 0);
    co_chan_each(chan, &value)
        ck_abort();
    done();
}

/* ---- cut short ----------------------------------------------------------- */

static size_t capacity;

#define EACH_CAPACITY(name)                                                    \
    static void name##_with_it(void);                                          \
    START_TEST(name)                                                           \
    {                                                                          \
        capacity = (size_t)_i;                                                 \
        co_test_in_task(name##_with_it);                                       \
    }                                                                          \
    END_TEST                                                                   \
    static void name##_with_it(void)

static void cut_receivers(void (*line_up)(sync_wait *, void (*)(void), int))
{
    start(capacity);
    line_up(recv_next, NULL, 3);
}

/* They wait for room, or, without any, for receivers. */
static void cut_senders(void (*line_up)(sync_wait *, void (*)(void), int))
{
    start(capacity);
    for (size_t i = 0; i < capacity; i++)
        ck_assert_int_eq(send_next(), 0);
    line_up(send_next, NULL, 2);
}

static void take_all(int from, int to)
{
    for (int i = from; i <= to; i++)
        ck_assert_int_eq(try_recv(), i);
    ck_assert_int_eq(try_recv(), -EAGAIN);
}

/* What nobody waits for is in the channel, if it has room. */
static void nobody_takes(int value)
{
    ck_assert_int_eq(try_send(value), capacity ? 0 : -EAGAIN);
    ck_assert_int_eq(try_recv(), capacity ? value : -EAGAIN);
}

EACH_CAPACITY(what_was_handed_over_before_a_cancel_is_returned)
{
    cut_receivers(sync_line_up);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 1);
    ck_assert_int_eq(received[0], 1);
    ck_assert_int_eq(co_chan_close(chan), 0);
    sync_results_are(1, 3, 0);
    done();
}

EACH_CAPACITY(a_cancelled_receiver_is_passed_over)
{
    cut_receivers(sync_line_up);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    ck_assert_int_eq(send_next(), 0);
    nobody_takes(9);
    sync_results_are(0, 2, -ECANCELED);
    sync_results_are(2, 3, 1);
    ck_assert_int_eq(received[0], 1);
    done();
}

EACH_CAPACITY(what_was_sent_before_a_cancel_is_sent)
{
    cut_senders(sync_line_up);
    ck_assert_int_eq(try_recv(), 1);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, 0);
    take_all(2, (int)capacity + 2);
    sync_results_are(1, 2, 0);
    done();
}

EACH_CAPACITY(a_cancelled_sender_has_sent_nothing)
{
    cut_senders(sync_line_up);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    for (int i = 1; i <= (int)capacity; i++)
        ck_assert_int_eq(try_recv(), i);
    take_all((int)capacity + 2, (int)capacity + 2);
    sync_results_are(0, 1, -ECANCELED);
    sync_results_are(1, 2, 0);
    done();
}

CO_TASK_TEST(all_cancelled_leave_the_element_in_the_channel)
{
    start(1);
    sync_line_up(recv_next, NULL, 2);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_uint_eq(co_chan_len(chan), 1);
    sync_results_are(0, 2, -ECANCELED);
    ck_assert_int_eq(try_recv(), 1);
    done();
}

EACH_CAPACITY(handed_over_before_the_timeout_is_seen_is_returned)
{
    cut_receivers(sync_line_up_nearly_late);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(send_next(), 0);
    sync_results_are(0, 3, 1);
    ck_assert_uint_eq(co_chan_len(chan), 0);
    done();
}

EACH_CAPACITY(handed_over_before_the_timeout_is_returned_when_it_is_seen)
{
    cut_receivers(sync_line_up_nearly_late);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(send_next(), 0);
    co__turn(co__loop, 0);
    nobody_takes(9);
    sync_results_are(0, 2, 1);
    sync_results_are(2, 3, -ETIMEDOUT);
    ck_assert_int_eq(received_count, 2);
    done();
}

EACH_CAPACITY(late_receivers_are_passed_over)
{
    cut_receivers(sync_line_up_late);
    nobody_takes(1);
    sync_results_are(0, 3, -ETIMEDOUT);
    ck_assert_int_eq(received_count, 0);
    done();
}

EACH_CAPACITY(taken_before_the_timeout_is_seen_is_sent)
{
    cut_senders(sync_line_up_nearly_late);
    ck_assert_int_eq(try_recv(), 1);
    ck_assert_int_eq(try_recv(), 2);
    sync_results_are(0, 2, 0);
    take_all(3, (int)capacity + 2);
    done();
}

EACH_CAPACITY(taken_before_the_timeout_is_sent_when_it_is_seen)
{
    cut_senders(sync_line_up_nearly_late);
    ck_assert_int_eq(try_recv(), 1);
    co__turn(co__loop, 0);
    take_all(2, (int)capacity + 1);
    sync_results_are(0, 1, 0);
    sync_results_are(1, 2, -ETIMEDOUT);
    done();
}

EACH_CAPACITY(late_senders_have_sent_nothing)
{
    cut_senders(sync_line_up_late);
    take_all(1, (int)capacity);
    sync_results_are(0, 2, -ETIMEDOUT);
    done();
}

EACH_CAPACITY(close_before_a_cancel_is_what_happened)
{
    cut_senders(sync_line_up);
    ck_assert_int_eq(co_cancel(sync_task[1]), 1);
    ck_assert_int_eq(co_chan_close(chan), 0);
    ck_assert_int_eq(co_cancel(sync_task[0]), 1);
    sync_results_are(0, 1, -EPIPE);
    sync_results_are(1, 2, -ECANCELED);
    ck_assert_uint_eq(co_chan_len(chan), capacity);
    done();
}

CO_TASK_TEST(pending_cancel_or_timeout_tries_nothing)
{
    start(1);
    sync_refused_when_cancelled(send_next);
    sync_refused_when_late(send_next);
    ck_assert_uint_eq(co_chan_len(chan), 0);
    ck_assert_int_eq(try_send(1), 0);
    sync_refused_when_cancelled(recv_next);
    sync_refused_when_late(recv_next);
    ck_assert_uint_eq(co_chan_len(chan), 1);
    done();
}

/* ---- where it is called -------------------------------------------------- */

CO_TASK_TEST(loop_callback_cannot_wait_but_can_do_the_rest)
{
    start(1);
    ck_assert_int_eq(sync_in_callback(recv_next), -EPERM);
    ck_assert_int_eq(sync_in_callback(send_next), 0);
    ck_assert_int_eq(sync_in_callback(send_next), -EPERM);
    ck_assert_int_eq(sync_in_callback(recv_next), 1);
    ck_assert_uint_eq(co_chan_len(chan), 0);
    done();
}

START_TEST(outside_a_loop_what_needs_no_wait_works)
{
    start(1);
    ck_assert_int_eq(recv_next(), -EPERM);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(send_next(), -EPERM);
    ck_assert_int_eq(recv_next(), 1);
    ck_assert_int_eq(try_recv(), -EAGAIN);
    ck_assert_int_eq(try_send(5), 0);
    ck_assert_int_eq(co_chan_close(chan), 0);
    ck_assert_int_eq(recv_next(), 1);
    ck_assert_int_eq(recv_next(), 0);
    done();
}
END_TEST

static int run_one_way(void *unused)
{
    (void)unused;
    sync_line_up(recv_next, NULL, 1);
    if (send_next() < 0)
        return -EIO;
    return co_test_result(sync_task[0]);
}

START_TEST(a_channel_may_be_used_by_one_loop_after_another)
{
    start(0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_run(run_one_way, NULL), 1);
    done();
}
END_TEST

static void *use_elsewhere(void *unused)
{
    int value = 0;

    (void)unused;
    ck_assert_int_eq(co_chan_send(chan, &value), -EPERM);
    ck_assert_int_eq(co_chan_recv(chan, &value), -EPERM);
    ck_assert_int_eq(co_chan_try_send(chan, &value), -EPERM);
    ck_assert_int_eq(co_chan_try_recv(chan, &value), -EPERM);
    ck_assert_int_eq(co_chan_close(chan), -EPERM);
    return NULL;
}

CO_TASK_TEST(a_channel_that_tasks_wait_for_is_not_for_other_threads)
{
    pthread_t thread;

    start(0);
    sync_line_up(recv_next, NULL, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, use_elsewhere, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(send_next(), 0);
    sync_results_are(0, 1, 1);
    done();
}

/* ---- programs that must die ---------------------------------------------- */

static void free_while_received_from(void)
{
    start(0);
    sync_line_up(recv_next, NULL, 1);
    co_chan_free(chan);
}

static void free_while_sent_to(void)
{
    start(0);
    sync_line_up(send_next, NULL, 1);
    co_task_set_name(sync_task[0], "writer");
    co_chan_free(chan);
}

START_TEST(free_while_a_task_waits_stops_the_program)
{
    sync_dies(free_while_received_from, 1, "receives from");
    sync_dies(free_while_sent_to, 1,
              "co_chan_free of a channel that task "
              "\"writer\"");
}
END_TEST

/* ---- steady state -------------------------------------------------------- */

static void use(void)
{
    sync_line_up(recv_next, NULL, 2);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(send_next(), 0);
    sync_results_are(0, 2, 1);
    sync_line_up(send_next, NULL, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_ge(try_recv(), 0);
    sync_results_are(0, 3, 0);
}

CO_TASK_TEST(nothing_is_allocated)
{
    start(0);
    sync_allocates_nothing(use);
    done();
}

static void use_in_time_and_too_long(void)
{
    sync_line_up_nearly_late(recv_next, NULL, 2);
    ck_assert_int_eq(send_next(), 0);
    ck_assert_int_eq(send_next(), 0);
    sync_results_are(0, 2, 1);
    sync_line_up_late(recv_next, NULL, 2);
    sync_results_are(0, 2, -ETIMEDOUT);
    co_timeout(CO_MS) {
        ck_assert_int_eq(recv_next(), -ETIMEDOUT);
    }
}

CO_TASK_TEST(nothing_is_allocated_for_time_limits)
{
    start(0);
    sync_allocates_nothing(use_in_time_and_too_long);
    done();
}

#define HOPS 1000

static int count_down(void *unused)
{
    int value;

    (void)unused;
    co_chan_each(chan, &value) {
        int r;

        if (--value == 0)
            return co_chan_close(chan);
        r = co_chan_send(chan, &value);
        if (r < 0)
            return r;
    }
    return 0;
}

CO_TASK_TEST(a_ring_of_tasks_passes_an_element_round)
{
    co_task *task[7];
    int value = HOPS;

    make(0);
    for (int i = 0; i < 7; i++)
        task[i] = co_test_spawn(count_down, NULL);
    ck_assert_int_eq(co_chan_send(chan, &value), 0);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    done();
}

static TCase *case_of(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    suite_add_tcase(s, tc);
    return tc;
}

#define EACH(name) tcase_add_loop_test(tc, name, 0, 3)

static void add_cut_short(Suite *s)
{
    TCase *tc = case_of(s, "cut_short");

    EACH(what_was_handed_over_before_a_cancel_is_returned);
    EACH(a_cancelled_receiver_is_passed_over);
    EACH(what_was_sent_before_a_cancel_is_sent);
    EACH(a_cancelled_sender_has_sent_nothing);
    tcase_add_test(tc, all_cancelled_leave_the_element_in_the_channel);
    EACH(handed_over_before_the_timeout_is_seen_is_returned);
    EACH(handed_over_before_the_timeout_is_returned_when_it_is_seen);
    EACH(late_receivers_are_passed_over);
    EACH(taken_before_the_timeout_is_seen_is_sent);
    EACH(taken_before_the_timeout_is_sent_when_it_is_seen);
    EACH(late_senders_have_sent_nothing);
    EACH(close_before_a_cancel_is_what_happened);
    tcase_add_test(tc, pending_cancel_or_timeout_tries_nothing);
}

static void add_places(Suite *s)
{
    TCase *tc = case_of(s, "places");

    tcase_add_test(tc, loop_callback_cannot_wait_but_can_do_the_rest);
    tcase_add_test(tc, outside_a_loop_what_needs_no_wait_works);
    tcase_add_test(tc, a_channel_may_be_used_by_one_loop_after_another);
    tcase_add_test(tc, a_channel_that_tasks_wait_for_is_not_for_other_threads);
    tcase_add_test(tc, free_while_a_task_waits_stops_the_program);
}

static Suite *suite(void)
{
    Suite *s = suite_create("sync/chan");
    TCase *tc = case_of(s, "making");

    tcase_add_test(tc, new_channel_is_open_and_empty);
    tcase_add_test(tc, no_memory_or_too_large_is_enomem);
    tcase_add_test(tc, null_arguments_are_einval);
    tcase_add_test(tc, null_elements_are_einval_in_a_task);

    tc = case_of(s, "passing");
    tcase_add_test(tc, senders_wait_for_receivers_in_their_order);
    tcase_add_test(tc, receivers_wait_for_senders_in_their_order);
    tcase_add_test(tc, a_send_that_finds_a_receiver_does_not_wait);
    tcase_add_test(tc, a_receive_that_finds_a_sender_does_not_wait);
    tcase_add_test(tc, elements_come_out_in_order_around_the_end_of_the_ring);
    tcase_add_test(tc, sender_waits_while_the_channel_is_full);
    tcase_add_test(tc, room_goes_to_the_waiting_sender_not_to_a_newcomer);
    tcase_add_test(tc,
                   an_element_goes_to_the_waiting_receiver_not_to_a_newcomer);
    tcase_add_test(tc, elements_of_all_sizes_arrive_whole);
    tcase_add_test(tc, pure_signals_need_no_element);
    tcase_add_test(tc, nothing_is_allocated);
    tcase_add_test(tc, nothing_is_allocated_for_time_limits);
    tcase_add_test(tc, a_ring_of_tasks_passes_an_element_round);

    tc = case_of(s, "closing");
    tcase_add_test(tc, close_ends_the_waits_of_receivers);
    tcase_add_test(tc, close_ends_the_waits_of_senders);
    tcase_add_test(tc, closed_channel_is_drained_and_takes_nothing);
    tcase_add_test(tc, iteration_ends_when_the_channel_is_closed_and_empty);
    add_cut_short(s);
    add_places(s);
    return s;
}

CO_TEST_MAIN(suite)
