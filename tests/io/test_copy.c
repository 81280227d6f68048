/* SPDX-License-Identifier: MIT */
/* Copying between streams: all of it, a part, and interrupted on both sides. */
#include <coppice/copy.h>

#include <coppice/cancel.h>

#include "pairs.h"

#include <stdlib.h>

/* What is written to in[1] is copied from in[0] to out[1], and read from
 * out[0]. */
static int in[2], out[2];
static co_stream *from, *to;

static void open_streams(size_t write_buffer)
{
    co_stream_options options = {.size = sizeof(options),
                                 .write_buffer = write_buffer};

    make_pair(in);
    make_pair(out);
    from = co_stream_new(in[0], NULL);
    to = co_stream_new(out[1], &options);
    ck_assert_ptr_nonnull(from);
    ck_assert_ptr_nonnull(to);
}

static void close_streams(void)
{
    ck_assert_int_eq(co_stream_close(from), 0);
    (void)co_stream_close(to);
    ck_assert_int_eq(co_close(out[0]), 0);
}

struct copy {
    int result;
    uint64_t copied;
};

static int copy_all(void *arg)
{
    struct copy *copy = arg;

    copy->result = co_stream_copy(to, from, CO_COPY_ALL, &copy->copied);
    return 0;
}

/* Everything that is there, as text. */
static const char *read_out(size_t len)
{
    static char got[64];

    memset(got, 0, sizeof(got));
    ck_assert_int_eq(co_read_full(out[0], got, len, NULL), 0);
    return got;
}

PAIR_TEST(all_is_copied_to_the_end)
{
    enum {
        TOTAL = 1 << 20
    };
    struct copy copy = {1, 1};
    char *data = malloc(TOTAL), *got = malloc(TOTAL);
    size_t sent = 0, came = 0;
    co_task *task;

    open_streams(4096);
    for (int i = 0; i < TOTAL; i++)
        data[i] = (char)(i * 7 + i / 251);
    task = co_test_spawn(copy_all, &copy);
    while (came < TOTAL) {
        size_t piece = TOTAL - sent < 3000 ? TOTAL - sent : 3000;

        if (piece)
            ck_assert_int_eq(co_write_all(in[1], data + sent, piece, NULL), 0);
        sent += piece;
        ck_assert_int_eq(co_read_full(out[0], got + came, sent - came, NULL),
                         0);
        came = sent;
    }
    ck_assert_int_eq(co_close(in[1]), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(copy.result, 0);
    ck_assert_uint_eq(copy.copied, TOTAL);
    ck_assert_mem_eq(data, got, TOTAL);
    close_streams();
    free(data);
    free(got);
}

PAIR_TEST(limit_leaves_the_rest)
{
    uint64_t copied = 1;
    char rest[8];

    open_streams(0);
    ck_assert_int_eq(co_write_all(in[1], "hello, world", 12, NULL), 0);
    ck_assert_int_eq(co_stream_copy(to, from, 0, &copied), 0);
    ck_assert_uint_eq(copied, 0);
    ck_assert_int_eq(co_stream_copy(to, from, 5, &copied), 0);
    ck_assert_uint_eq(copied, 5);
    ck_assert_str_eq(read_out(5), "hello");
    ck_assert_int_eq(co_stream_read_exactly(from, rest, 7, NULL), 0);
    ck_assert_mem_eq(rest, ", world", 7);
    ck_assert_int_eq(co_close(in[1]), 0);
    ck_assert_int_eq(co_stream_copy(to, from, 5, NULL), 0);
    close_streams();
}

PAIR_TEST(copy_that_waits_for_more_can_be_cancelled)
{
    struct copy copy = {1, 1};
    co_task *task;

    open_streams(64);
    ck_assert_int_eq(co_write_all(in[1], "abc", 3, NULL), 0);
    task = co_test_spawn(copy_all, &copy);
    ck_assert_str_eq(read_out(3), "abc"); /* flushed though buffered */
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(copy.result, -ECANCELED);
    ck_assert_uint_eq(copy.copied, 3);
    ck_assert_int_eq(co_close(in[1]), 0);
    close_streams();
}

/* Nobody reads; what was not taken is still in the first stream. */
PAIR_TEST(copy_that_waits_for_room_loses_nothing)
{
    uint64_t copied = 0;
    char byte;

    open_streams(0);
    fill(out[1]);
    ck_assert_int_eq(co_write_all(in[1], "xyz", 3, NULL), 0);
    co_timeout(2 * CO_MS) {
        ck_assert_int_eq(co_stream_copy(to, from, CO_COPY_ALL, &copied),
                         -ETIMEDOUT);
    }
    ck_assert_uint_le(copied, 3);
    drain_filled(out[0]);
    ck_assert_int_eq(co_close(in[1]), 0);
    for (uint64_t i = 0; i < copied; i++) {
        ck_assert_int_eq(co_read(out[0], &byte, 1), 1);
        ck_assert_int_eq(byte, "xyz"[i]);
    }
    for (uint64_t i = copied; i < 3; i++) {
        ck_assert_int_eq(co_stream_read(from, &byte, 1), 1);
        ck_assert_int_eq(byte, "xyz"[i]);
    }
    close_streams();
}

PAIR_TEST(errors_of_both_sides_are_returned)
{
    uint64_t copied = 1;

    open_streams(0);
    ck_assert_int_eq(co_write_all(in[1], "xyz", 3, NULL), 0);
    ck_assert_int_eq(co_stream_copy(NULL, from, 1, &copied), -EINVAL);
    ck_assert_uint_eq(copied, 0);
    ck_assert_int_eq(co_stream_copy(to, NULL, 1, NULL), -EINVAL);
    ck_assert_int_eq(co_stream_copy(to, to, 1, NULL), -EINVAL);
    ck_assert_int_eq(co_close(out[0]), 0);
    for (int i = 0; i < 2; i++) { /* TCP says so of the second write */
        int r = co_stream_copy(to, from, 1, &copied);

        ck_assert(r == 0 || r == -EPIPE || r == -ECONNRESET);
        if (r == 0)
            ck_assert_int_eq(co_sleep(CO_MS), 0);
    }
    ck_assert_int_lt(co_stream_copy(to, from, 1, &copied), 0);
    ck_assert_int_eq(co_close(in[1]), 0);
    ck_assert_int_eq(co_stream_close(from), 0);
    (void)co_stream_close(to);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.copy");
    TCase *tc = tcase_create("copy");

    co_test_check_fds(tc);
    ADD_PAIR_TEST(tc, all_is_copied_to_the_end);
    ADD_PAIR_TEST(tc, limit_leaves_the_rest);
    ADD_PAIR_TEST(tc, copy_that_waits_for_more_can_be_cancelled);
    ADD_PAIR_TEST(tc, copy_that_waits_for_room_loses_nothing);
    ADD_PAIR_TEST(tc, errors_of_both_sides_are_returned);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
