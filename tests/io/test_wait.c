/* SPDX-License-Identifier: MIT */
/* Waiting for descriptors: order, cancelling, limits. Nothing that has
 * come is ever lost. */
#include "pairs.h"

#include <coppice/cancel.h>
#include <coppice/scope.h>

/* ---- cancelled or timed out ---------------------------------------------- */

PAIR_TEST(cancelled_while_waiting_takes_nothing)
{
    struct call reader = {.len = 64}, writer = {.len = 1};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    writer.fd = fds[1];
    fill(fds[1]);
    call_start(&writer, call_write);
    ck_assert(call_waits(&writer));
    co_cancel(writer.task);
    ck_assert_int_eq(call_result(&writer), -ECANCELED);
    drain_filled(fds[0]);
    call_start(&reader, call_read);
    ck_assert(call_waits(&reader));
    co_cancel(reader.task);
    ck_assert_int_eq(call_result(&reader), -ECANCELED);
    close_pair(fds);
}

PAIR_TEST(timed_out_while_waiting_takes_nothing)
{
    char buffer[8];
    int fds[2];

    make_pair(fds);
    co_timeout(CO_MS)
        ck_assert_int_eq(co_read(fds[0], buffer, 8), -ETIMEDOUT);
    fill(fds[1]);
    co_timeout(CO_MS)
        ck_assert_int_eq(co_write(fds[1], "x", 1), -ETIMEDOUT);
    drain_filled(fds[0]);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(co_read(fds[0], buffer, 8), 1);
    close_pair(fds);
}

PAIR_TEST(cancelled_beforehand_tries_nothing)
{
    char buffer[8];
    int fds[2];

    make_pair(fds);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    co_cancel(co_self());
    ck_assert_int_eq(co_read(fds[0], buffer, 8), -ECANCELED);
    ck_assert_int_eq(co_write(fds[1], "y", 1), -ECANCELED);
    ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), -ECANCELED);
    ck_assert_int_eq(co_read_full(fds[0], buffer, 8, NULL), -ECANCELED);
    ck_assert_int_eq(co_write_all(fds[1], "y", 1, NULL), -ECANCELED);
    co_uncancel(co_self());
    co_timeout(0) {
        ck_assert_int_eq(co_read(fds[0], buffer, 8), -ETIMEDOUT);
        ck_assert_int_eq(co_write(fds[1], "y", 1), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_read(fds[0], buffer, 8), 1);
    ck_assert(nothing_there(fds[0]));
    close_pair(fds);
}

PAIR_TEST(event_before_cancel_gives_the_data)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    wake_by_event(&reader);
    co_cancel(reader.task);
    ck_assert_int_eq(call_result(&reader), 1);
    ck_assert_int_eq(reader.after, -ECANCELED);
    close_pair(fds);
}

/* A byte came after a cancel or timeout: it is left for others; or, if the
 * kernel had not let go of a command yet, it is the call's nevertheless. */
static void left_or_taken(struct call *reader, int error)
{
    ssize_t n = call_result(reader);

    if (n < 0 || !is_commanded(reader->fd)) {
        ck_assert_int_eq(n, error);
        n = co_read(reader->fd, reader->buffer, 64);
    }
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(reader->buffer[0], 'x');
}

PAIR_TEST(cancel_before_event_leaves_the_data)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    co_cancel(reader.task);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    collect_events();
    left_or_taken(&reader, -ECANCELED);
    close_pair(fds);
}

/* Woken, robbed by somebody who does not stand in line, and cancelled. */
PAIR_TEST(event_then_cancel_then_nothing_there_is_cancelled)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    if (is_commanded(fds[0])) { /* there is no moment between */
        close_pair(fds);
        return;
    }
    reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    wake_by_event(&reader);
    take(fds[0], 1);
    co_cancel(reader.task);
    ck_assert_int_eq(call_result(&reader), -ECANCELED);
    close_pair(fds);
}

/* The same without a cancel: it goes on waiting. */
PAIR_TEST(robbed_reader_waits_on)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    if (is_commanded(fds[0])) { /* there is no moment between */
        close_pair(fds);
        return;
    }
    reader.fd = fds[0];
    call_start(&reader, call_read);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
        wake_by_event(&reader);
        take(fds[0], 1);
        co_test_yield();
        ck_assert(call_waits(&reader));
    }
    ck_assert_int_eq(co_write(fds[1], "xy", 2), 2);
    ck_assert_int_eq(call_result(&reader), 2);
    close_pair(fds);
}

static int read_with_limit(void *arg)
{
    struct call *call = arg;
    ssize_t n = 0;

    co_timeout(CO_MS) {
        n = co_read(call->fd, call->buffer, call->len);
        call->after = co_yield_now();
    }
    call->result = n;
    return 0;
}

PAIR_TEST(event_before_timeout_gives_the_data)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, read_with_limit);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    wake_by_event(&reader);
    usleep(2000);
    collect_events();
    ck_assert_int_eq(call_result(&reader), 1);
    ck_assert_int_eq(reader.after, -ETIMEDOUT);
    close_pair(fds);
}

PAIR_TEST(timeout_before_event_leaves_the_data)
{
    struct call reader = {.len = 64};
    int fds[2];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, read_with_limit);
    usleep(2000);
    collect_events();
    ck_assert(!call_waits(&reader));
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    collect_events();
    left_or_taken(&reader, -ETIMEDOUT);
    close_pair(fds);
}

/* ---- several of them ----------------------------------------------------- */

PAIR_TEST(readers_are_served_in_order)
{
    struct co_test_log log = {.length = 0};
    struct call readers[5];
    int fds[2];

    make_pair(fds);
    start_readers(readers, 5, fds[0], &log);
    ck_assert_int_eq(co_write(fds[1], "01", 2), 2);
    ck_assert_int_eq(call_result(&readers[0]), 1);
    ck_assert_int_eq(call_result(&readers[1]), 1);
    run_events();
    ck_assert(call_waits(&readers[2]));
    ck_assert_int_eq(co_write(fds[1], "234", 3), 3);
    for (int i = 2; i < 5; i++)
        ck_assert_int_eq(call_result(&readers[i]), 1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(readers[i].buffer[0], '0' + i);
    ck_assert_str_eq(log.text, "abcde");
    close_pair(fds);
}

/* A newcomer does not overtake who was woken but has not run yet. */
PAIR_TEST(newcomer_queues_behind)
{
    struct co_test_log log = {.length = 0};
    struct call readers[2];
    char byte = 0;
    int fds[2];

    make_pair(fds);
    start_readers(readers, 2, fds[0], &log);
    ck_assert_int_eq(co_write(fds[1], "012", 3), 3);
    wake_by_event(&readers[0]);
    ck_assert_int_eq(co_read(fds[0], &byte, 1), 1);
    ck_assert_int_eq(byte, '2');
    ck_assert_str_eq(log.text, "ab");
    ck_assert_int_eq(call_result(&readers[0]), 1);
    ck_assert_int_eq(call_result(&readers[1]), 1);
    close_pair(fds);
}

PAIR_TEST(writers_are_served_in_order)
{
    struct co_test_log log = {.length = 0};
    struct call writers[3];
    int fds[2];

    make_pair(fds);
    fill(fds[1]);
    for (int i = 0; i < 3; i++) {
        writers[i] = (struct call){.fd = fds[1],
                                   .len = 1,
                                   .log = &log,
                                   .name = (char)('a' + i),
                                   .buffer = {(char)('0' + i)}};
        call_start(&writers[i], call_write);
        ck_assert(call_waits(&writers[i]));
    }
    drain_filled(fds[0]);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(call_result(&writers[i]), 1);
    ck_assert_str_eq(log.text, "abc");
    take(fds[0], 3);
    ck_assert(nothing_there(fds[0]));
    close_pair(fds);
}

/* The first was woken for what came, and leaves it to the second. */
PAIR_TEST(cancelled_first_passes_the_event_on)
{
    struct call readers[3];
    int fds[2];

    make_pair(fds);
    start_readers(readers, 3, fds[0], NULL);
    co_cancel(readers[0].task);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    collect_events();
    if (call_result(&readers[0]) == 1 && is_commanded(fds[0]))
        ck_assert_int_eq(co_write(fds[1], "y", 1), 1); /* it had its byte */
    else
        ck_assert_int_eq(readers[0].result, -ECANCELED);
    ck_assert_int_eq(call_result(&readers[1]), 1);
    co_cancel(readers[2].task);
    ck_assert_int_eq(call_result(&readers[2]), -ECANCELED);
    close_pair(fds);
}

/* The first was woken, found nothing, and was cancelled; the event that the
 * second relies on must still come. */
PAIR_TEST(cancelled_first_that_was_robbed_leaves_the_second_waiting)
{
    struct call readers[2];
    int fds[2];

    make_pair(fds);
    if (is_commanded(fds[0])) { /* there is no moment between */
        close_pair(fds);
        return;
    }
    start_readers(readers, 2, fds[0], NULL);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    wake_by_event(&readers[0]);
    take(fds[0], 1);
    co_cancel(readers[0].task);
    ck_assert_int_eq(call_result(&readers[0]), -ECANCELED);
    co_test_yield();
    ck_assert(call_waits(&readers[1]));
    ck_assert_int_eq(co_write(fds[1], "y", 1), 1);
    ck_assert_int_eq(call_result(&readers[1]), 1);
    close_pair(fds);
}

PAIR_TEST(cancelled_in_the_middle_of_the_line_harms_nobody)
{
    struct co_test_log log = {.length = 0};
    struct call readers[4];
    int fds[2];

    make_pair(fds);
    start_readers(readers, 4, fds[0], &log);
    co_cancel(readers[1].task);
    co_cancel(readers[3].task);
    ck_assert_int_eq(call_result(&readers[1]), -ECANCELED);
    ck_assert_int_eq(call_result(&readers[3]), -ECANCELED);
    ck_assert_int_eq(co_write(fds[1], "01", 2), 2);
    ck_assert_int_eq(call_result(&readers[0]), 1);
    ck_assert_int_eq(call_result(&readers[2]), 1);
    ck_assert_str_eq(log.text, "bdac");
    close_pair(fds);
}

PAIR_TEST(end_of_file_reaches_everybody)
{
    struct call readers[4];
    int fds[2];

    make_pair(fds);
    start_readers(readers, 4, fds[0], NULL);
    ck_assert_int_eq(co_close(fds[1]), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(call_result(&readers[i]), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

/* Both directions of one descriptor at a time. */
PAIR_TEST(each_direction_waits_for_itself)
{
    struct call reader = {.len = 1}, writer = {.len = 1};
    int fds[2];

    if (is_pipe())
        return;
    make_pair(fds);
    reader.fd = writer.fd = fds[0];
    for (int i = 0; i < 2; i++) {
        fill(fds[0]);
        /* Either may be there first. */
        call_start(i ? &reader : &writer, i ? call_read : call_write);
        call_start(i ? &writer : &reader, i ? call_write : call_read);
        ck_assert(call_waits(&reader) && call_waits(&writer));
        ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
        ck_assert_int_eq(call_result(&reader), 1);
        run_events();
        ck_assert(call_waits(&writer));
        call_start(&reader, call_read);
        drain_filled(fds[1]);
        ck_assert_int_eq(call_result(&writer), 1);
        run_events();
        ck_assert(call_waits(&reader));
        ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
        ck_assert_int_eq(call_result(&reader), 1);
        take(fds[1], 1);
    }
    close_pair(fds);
}

static Suite *suite(void)
{
    Suite *s = suite_create("wait");
    TCase *tc = tcase_create("wait");

    co_test_check_fds(tc);
    ADD_PAIR_TEST(tc, cancelled_while_waiting_takes_nothing);
    ADD_PAIR_TEST(tc, timed_out_while_waiting_takes_nothing);
    ADD_PAIR_TEST(tc, cancelled_beforehand_tries_nothing);
    ADD_PAIR_TEST(tc, event_before_cancel_gives_the_data);
    ADD_PAIR_TEST(tc, cancel_before_event_leaves_the_data);
    ADD_PAIR_TEST(tc, event_then_cancel_then_nothing_there_is_cancelled);
    ADD_PAIR_TEST(tc, robbed_reader_waits_on);
    ADD_PAIR_TEST(tc, event_before_timeout_gives_the_data);
    ADD_PAIR_TEST(tc, timeout_before_event_leaves_the_data);
    ADD_PAIR_TEST(tc, readers_are_served_in_order);
    ADD_PAIR_TEST(tc, newcomer_queues_behind);
    ADD_PAIR_TEST(tc, writers_are_served_in_order);
    ADD_PAIR_TEST(tc, cancelled_first_passes_the_event_on);
    ADD_PAIR_TEST(tc,
                  cancelled_first_that_was_robbed_leaves_the_second_waiting);
    ADD_PAIR_TEST(tc, cancelled_in_the_middle_of_the_line_harms_nobody);
    ADD_PAIR_TEST(tc, end_of_file_reaches_everybody);
    ADD_PAIR_TEST(tc, each_direction_waits_for_itself);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
