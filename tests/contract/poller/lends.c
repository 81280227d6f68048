/* SPDX-License-Identifier: MIT */
/* Receives into buffers that the backend has ready, where it carries commands
 * out. */
#include "suite.h"

#include "base/alloc.h"
#include "core/command.h"

#include <sys/socket.h>

enum {
    MANY = 300, /* more than are lent at a time */
    RESULT_NONE = 1000,
};

struct receive {
    struct co__command command;
    char *buffer;
    int fds[2]; /* what is received on the first, comes from the second */
};

static void reported(struct co__command *command, int result, unsigned end)
{
    ck_assert_uint_eq(end, 0);
    ck_assert_int_eq(command->result, RESULT_NONE); /* once */
    command->result = result;
}

static int begin(struct receive *receive)
{
    receive->buffer = NULL;
    receive->command = (struct co__command){.code = CO__DO_RECV,
                                            .hint = CO__HINT_LENT,
                                            .fd = receive->fds[0],
                                            .data = &receive->buffer,
                                            .len = CO__LENT_BYTES,
                                            .result = RESULT_NONE,
                                            .done = reported};
    return ops->submit(poller, &receive->command);
}

static int result_of(struct receive *receive)
{
    while (!receive->command.over)
        wait_for(CO_SEC);
    return receive->command.result;
}

/* 0: this kernel has no such buffers. */
static int setup(struct receive *receive)
{
    int r;

    pair_make(receive->fds);
    r = begin(receive);
    if (r == -EOPNOTSUPP)
        pair_close(receive->fds);
    else
        ck_assert_int_eq(r, 0);
    return r == 0;
}

static void expect(struct receive *receive, const char *text)
{
    ck_assert_int_eq(result_of(receive), (int)strlen(text));
    ck_assert_ptr_nonnull(receive->buffer);
    ck_assert_mem_eq(receive->buffer, text, strlen(text));
    co__free(receive->buffer);
}

static void write_text(const struct receive *receive, const char *text)
{
    ck_assert_int_eq((int)write(receive->fds[1], text, strlen(text)),
                     (int)strlen(text));
}

START_TEST(a_buffer_comes_with_the_bytes)
{
    struct receive receive;

    if (!setup(&receive))
        return;
    wait_for(CO_MS);
    ck_assert(!receive.command.over);
    ck_assert_ptr_null(receive.buffer);
    write_text(&receive, "abc");
    expect(&receive, "abc");
    pair_close(receive.fds);
}
END_TEST

/* So it stays in the caches. */
START_TEST(one_that_waits_is_lent_one)
{
    struct receive receive;

    lent = 0;
    if (!setup(&receive))
        return;
    for (int i = 1; i < 1000; i++) {
        ck_assert_int_eq(lent, i);
        write_text(&receive, i % 2 ? "a" : "bc");
        expect(&receive, i % 2 ? "a" : "bc");
        ck_assert_int_eq(begin(&receive), 0);
    }
    ops->cancel(poller, &receive.command);
    ck_assert_int_eq(result_of(&receive), -ECANCELED);
    ck_assert_int_eq(begin(&receive), 0);
    ck_assert_int_eq(lent, 1000); /* the last is still there */
    ops->cancel(poller, &receive.command);
    ck_assert_int_eq(result_of(&receive), -ECANCELED);
    pair_close(receive.fds);
}
END_TEST

START_TEST(a_whole_buffer_is_received_and_no_more_than_is_asked_for)
{
    static char much[CO__LENT_BYTES + 1];
    struct receive receive;

    if (!setup(&receive))
        return;
    memset(much, 'x', sizeof(much));
    ck_assert_int_eq((int)write(receive.fds[1], much, sizeof(much)),
                     (int)sizeof(much));
    ck_assert_int_eq(result_of(&receive), (int)CO__LENT_BYTES);
    ck_assert_mem_eq(receive.buffer, much, CO__LENT_BYTES);
    co__free(receive.buffer);
    ck_assert_int_eq(begin(&receive), 0);
    expect(&receive, "x");
    pair_close(receive.fds);
}
END_TEST

START_TEST(without_bytes_there_is_no_buffer)
{
    struct receive receive;

    if (!setup(&receive))
        return;
    ops->cancel(poller, &receive.command);
    ck_assert_int_eq(result_of(&receive), -ECANCELED);
    ck_assert_ptr_null(receive.buffer);

    ck_assert_int_eq(begin(&receive), 0);
    ck_assert_int_eq(shutdown(receive.fds[1], SHUT_WR), 0);
    ck_assert_int_eq(result_of(&receive), 0);
    ck_assert_ptr_null(receive.buffer);

    pair_close(receive.fds);
    ck_assert_int_eq(begin(&receive), 0);
    ck_assert_int_eq(result_of(&receive), -EBADF);
    ck_assert_ptr_null(receive.buffer);
}
END_TEST

START_TEST(what_has_come_before_a_cancel_comes_with_its_buffer)
{
    struct receive receive;

    if (!setup(&receive))
        return;
    wait_for(0);
    write_text(&receive, "abc");
    wait_for(CO_SEC);
    ops->cancel(poller, &receive.command);
    expect(&receive, "abc");
    pair_close(receive.fds);
}
END_TEST

/* Those for whom there is none are told so, and their bytes are still there. */
START_TEST(more_than_there_are_buffers_lose_nothing)
{
    static struct receive receives[MANY];
    int received = 0;

    if (!setup(&receives[0]))
        return;
    for (int i = 1; i < MANY; i++)
        ck_assert_int_eq(setup(&receives[i]), 1);
    wait_for(0);
    for (int i = 0; i < MANY; i++)
        write_text(&receives[i], "abc");
    for (int i = 0; i < MANY; i++) {
        int r = result_of(&receives[i]);

        if (r != -ENOBUFS) {
            expect(&receives[i], "abc");
            received++;
        } else {
            ck_assert_ptr_null(receives[i].buffer);
        }
    }
    ck_assert_int_ge(received, 128);
    ck_assert_int_lt(received, MANY);
    for (int i = 0; i < MANY; i++) {
        if (receives[i].command.result == -ENOBUFS) {
            ck_assert_int_eq(begin(&receives[i]), 0);
            expect(&receives[i], "abc");
        }
        pair_close(receives[i].fds);
    }
}
END_TEST

START_TEST(without_memory_it_is_enobufs)
{
    struct receive receive;
    int r;

    pair_make(receive.fds);
    write_text(&receive, "abc");
    lends = 0;
    r = begin(&receive);
    lends = 1;
    if (r != -EOPNOTSUPP) {
        ck_assert_int_eq(r, -ENOBUFS);
        ck_assert_int_eq(begin(&receive), 0);
        expect(&receive, "abc");
    }
    pair_close(receive.fds);
}
END_TEST

START_TEST(without_memory_for_the_ring_it_is_enobufs_too)
{
    struct receive receive;
    int r = -ENOBUFS;

    pair_make(receive.fds);
    write_text(&receive, "abc");
    for (unsigned n = 1; r == -ENOBUFS && n < 10; n++) {
        (void)co__fault_after(n);
        r = begin(&receive);
        (void)co__fault_after(0);
        ck_assert(n > 1 || r < 0);
    }
    if (r != -EOPNOTSUPP) {
        ck_assert_int_eq(r, 0);
        expect(&receive, "abc");
    }
    pair_close(receive.fds);
}
END_TEST

START_TEST(between_runs_nothing_is_lent)
{
    struct receive receive;

    lent = 0;
    if (!setup(&receive))
        return;
    ops->cancel(poller, &receive.command);
    ck_assert_int_eq(result_of(&receive), -ECANCELED);
    ops->end(poller, 1);
    ck_assert_int_eq(ops->begin(poller), 0);
    write_text(&receive, "abc");
    ck_assert_int_eq(begin(&receive), 0);
    ck_assert_int_eq(lent, 2);
    expect(&receive, "abc");
    pair_close(receive.fds);
}
END_TEST

void add_lends(TCase *tc)
{
    if (!ops->submit)
        return;
    tcase_add_test(tc, a_buffer_comes_with_the_bytes);
    tcase_add_test(tc, one_that_waits_is_lent_one);
    tcase_add_test(tc,
                   a_whole_buffer_is_received_and_no_more_than_is_asked_for);
    tcase_add_test(tc, without_bytes_there_is_no_buffer);
    tcase_add_test(tc, what_has_come_before_a_cancel_comes_with_its_buffer);
    tcase_add_test(tc, more_than_there_are_buffers_lose_nothing);
    tcase_add_test(tc, without_memory_it_is_enobufs);
    tcase_add_test(tc, without_memory_for_the_ring_it_is_enobufs_too);
    tcase_add_test(tc, between_runs_nothing_is_lent);
}
