/* SPDX-License-Identifier: MIT */
/* Streams of something else than a descriptor: when each of its functions is
 * called, and when not. */
#include <coppice/event.h>
#include <coppice/stream_ops.h>

#include "io_support.h"

#include <string.h>
#include <sys/uio.h>

/* What is behind: it reads `text`, and notes by letters what it is asked. A
 * function that waits here waits for `gate`. */
static struct behind {
    const char *text;
    char said[64];
    char written[64];
    int waits;  /* the letter of the function that waits */
    int result; /* of flush and finish */
    co_event gate;
    int freed;
} it;

static int note(struct behind *b, char letter)
{
    size_t len = strlen(b->said);

    ck_assert_int_eq(b->freed, 0);
    ck_assert_uint_lt(len + 1, sizeof(b->said));
    b->said[len] = letter;
    return b->waits == letter ? co_event_wait(&b->gate) : 0;
}

static ssize_t read_it(void *arg, void *buffer, size_t len)
{
    struct behind *b = arg;
    int r = note(b, 'r');
    size_t n = strlen(b->text);

    if (r < 0)
        return r;
    if (n > len)
        n = len;
    memcpy(buffer, b->text, n);
    b->text += n;
    return (ssize_t)n;
}

static ssize_t writev_it(void *arg, const struct iovec *iov, int iov_count)
{
    struct behind *b = arg;
    int r = note(b, 'w');

    ck_assert_int_ge(iov_count, 1);
    if (r < 0)
        return r;
    strncat(b->written, iov->iov_base, iov->iov_len);
    return (ssize_t)iov->iov_len;
}

static int write_eof_it(void *arg)
{
    return note(arg, 'e');
}

static int flush_it(void *arg)
{
    struct behind *b = arg;
    int r = note(b, 'f');

    return r < 0 ? r : b->result;
}

static int finish_it(void *arg)
{
    struct behind *b = arg;
    int r = note(b, 'n');

    return r < 0 ? r : b->result;
}

static int close_it(void *arg)
{
    note(arg, 'c');
    co_event_set(&it.gate);
    return 0;
}

static void abort_it(void *arg)
{
    note(arg, 'a');
    co_event_set(&it.gate);
}

static void free_it(void *arg)
{
    note(arg, 'x');
    ((struct behind *)arg)->freed++;
}

static const co_stream_ops all = {
    .size = sizeof(all),
    .read = read_it,
    .writev = writev_it,
    .write_eof = write_eof_it,
    .flush = flush_it,
    .finish = finish_it,
    .close = close_it,
    .abort = abort_it,
    .free = free_it,
};

static const co_stream_ops least = {
    .size = sizeof(least),
    .read = read_it,
    .writev = writev_it,
    .close = close_it,
};

static co_stream *over(const co_stream_ops *ops, size_t write_buffer)
{
    co_stream_options options = {.size = sizeof(options),
                                 .write_buffer = write_buffer};
    co_stream *stream;

    memset(&it, 0, sizeof(it));
    it.text = "";
    stream = co_stream_over(ops, &it, &options);
    ck_assert_ptr_nonnull(stream);
    return stream;
}

static void said(const char *letters)
{
    ck_assert_str_eq(it.said, letters);
    memset(it.said, 0, sizeof(it.said));
}

CO_TASK_TEST(reads_and_writes_what_is_behind)
{
    co_stream *stream = over(&all, 0);
    char line[16];

    it.text = "one\ntwo\n";
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), 3);
    ck_assert_str_eq(line, "one");
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), 3);
    said("fr");
    ck_assert_int_eq(co_stream_read(stream, line, sizeof(line)), 0);
    said("fr");
    ck_assert_int_eq(co_stream_write(stream, "three", 5, NULL), 0);
    ck_assert_str_eq(it.written, "three");
    said("w");
    ck_assert_int_eq(co_stream_write_eof(stream), 0);
    said("fe");
    ck_assert_int_eq(co_stream_close(stream), 0);
    said("fncx");
    ck_assert_int_eq(it.freed, 1);
}

CO_TASK_TEST(what_is_held_back_behind_follows_what_is_buffered)
{
    co_stream *stream = over(&all, 32);
    char byte;

    ck_assert_int_eq(co_stream_write(stream, "a", 1, NULL), 0);
    said("");
    ck_assert_int_eq(co_stream_flush(stream), 0);
    said("wf");
    ck_assert_int_eq(co_stream_write(stream, "b", 1, NULL), 0);
    ck_assert_int_eq(co_stream_read(stream, &byte, 1), 0);
    said("wfr");
    ck_assert_int_eq(co_stream_write(stream, "c", 1, NULL), 0);
    ck_assert_int_eq(co_stream_close(stream), 0);
    said("wfncx");
    ck_assert_str_eq(it.written, "abc");
}

CO_TASK_TEST(functions_that_may_be_missing)
{
    co_stream *stream = over(&least, 0);
    char byte;

    ck_assert_int_eq(co_stream_read(stream, &byte, 1), 0);
    ck_assert_int_eq(co_stream_flush(stream), 0);
    ck_assert_int_eq(co_stream_write_eof(stream), -ENOTSUP);
    ck_assert_int_eq(co_stream_close(stream), 0);
    said("rc");
    stream = over(&least, 0);
    co_stream_abort(stream);
    said("c");
}

/* They would say that all is well. */
CO_TASK_TEST(no_last_words_after_a_failure_or_an_abort)
{
    co_stream *stream = over(&all, 0);

    it.result = -EIO;
    ck_assert_int_eq(co_stream_close(stream), -EIO);
    said("fcx");
    stream = over(&all, 32);
    ck_assert_int_eq(co_stream_write(stream, "a", 1, NULL), 0);
    co_stream_abort(stream);
    said("ax");
}

CO_TASK_TEST(last_words_obey_a_timeout)
{
    co_stream *stream = over(&all, 0);

    it.waits = 'n';
    co_timeout(CO_MS)
        ck_assert_int_eq(co_stream_close(stream), -ETIMEDOUT);
    said("fncx");
}

CO_TASK_TEST(read_that_failed_to_flush_reads_all_the_same)
{
    co_stream *stream = over(&all, 0);
    char byte;

    it.text = "a";
    it.result = -EPIPE;
    ck_assert_int_eq(co_stream_read(stream, &byte, 1), 1);
    it.result = -ETIMEDOUT;
    ck_assert_int_eq(co_stream_read(stream, &byte, 1), -ETIMEDOUT);
    said("frf");
    co_stream_abort(stream);
}

static int read_byte(void *arg)
{
    char byte;

    return (int)co_stream_read(arg, &byte, 1);
}

CO_TASK_TEST(freed_when_the_last_call_has_left)
{
    for (int aborted = 0; aborted < 2; aborted++) {
        co_stream *stream = over(&all, 0);
        co_task *reader = co_spawn(read_byte, stream);
        int result;

        it.waits = 'r';
        co_yield_now();
        said("fr");
        if (aborted)
            co_stream_abort(stream);
        else
            ck_assert_int_eq(co_stream_close(stream), 0);
        said(aborted ? "a" : "fnc");
        ck_assert_int_eq(it.freed, 0);
        ck_assert_int_eq(co_join(reader, &result), 0);
        said("x");
    }
}

CO_TASK_TEST(what_is_behind_is_known_by_its_table)
{
    co_stream *stream = over(&all, 0);
    int fds[2];
    co_stream *plain;

    ck_assert_ptr_eq(co_stream_behind(stream, &all), &it);
    ck_assert_ptr_null(co_stream_behind(stream, &least));
    ck_assert_ptr_null(co_stream_behind(stream, NULL));
    ck_assert_ptr_null(co_stream_behind(NULL, &all));
    ck_assert_int_eq(co_stream_close(stream), 0);

    unix_pair(fds);
    plain = co_stream_new(fds[0], NULL);
    ck_assert_ptr_null(co_stream_behind(plain, &all));
    ck_assert_int_eq(co_stream_close(plain), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

CO_TASK_TEST(descriptor_can_be_taken_back)
{
    co_stream *stream = over(&all, 0);
    co_stream_options options = {.size = sizeof(options), .write_buffer = 16};
    int fds[2], fd = -1;

    ck_assert_int_eq(co_stream_detach(stream, &fd), -ENOTSUP);
    ck_assert_int_eq(co_stream_close(stream), 0);

    unix_pair(fds);
    stream = co_stream_new(fds[0], &options);
    ck_assert_int_eq(co_stream_detach(NULL, &fd), -EINVAL);
    ck_assert_int_eq(co_stream_detach(stream, NULL), -EINVAL);
    ck_assert_int_eq(co_stream_write(stream, "a", 1, NULL), 0);
    ck_assert_int_eq(co_stream_detach(stream, &fd), -EBUSY);
    ck_assert_int_eq(co_stream_flush(stream), 0);
    ck_assert_int_eq(co_stream_detach(stream, &fd), 0);
    ck_assert_int_eq(fd, fds[0]);
    ck_assert_int_eq(co_write(fd, "b", 1), 1);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

static void refuse(const co_stream_ops *ops, const co_stream_options *options)
{
    errno = 0;
    ck_assert_ptr_null(co_stream_over(ops, &it, options));
    ck_assert_int_eq(errno, EINVAL);
}

CO_TASK_TEST(tables_that_cannot_be_used)
{
    co_stream_options options = {0};
    co_stream_ops ops;

    memset(&it, 0, sizeof(it));
    refuse(NULL, NULL);
    refuse(&all, &options);
    ops = all;
    ops.size = 0;
    refuse(&ops, NULL);
    ops = all;
    ops.read = NULL;
    refuse(&ops, NULL);
    ops = all;
    ops.writev = NULL;
    refuse(&ops, NULL);
    ops = all;
    ops.close = NULL;
    refuse(&ops, NULL);
    ops = all;
    ops.wait = flush_it;
    refuse(&ops, NULL);
    ops = all;
    ops.try_read = read_it;
    refuse(&ops, NULL);
    said("");
}

static Suite *suite(void)
{
    Suite *s = suite_create("stream_ops");
    TCase *tc = tcase_create("ops");

    tcase_add_test(tc, reads_and_writes_what_is_behind);
    tcase_add_test(tc, what_is_held_back_behind_follows_what_is_buffered);
    tcase_add_test(tc, functions_that_may_be_missing);
    tcase_add_test(tc, no_last_words_after_a_failure_or_an_abort);
    tcase_add_test(tc, last_words_obey_a_timeout);
    tcase_add_test(tc, read_that_failed_to_flush_reads_all_the_same);
    tcase_add_test(tc, freed_when_the_last_call_has_left);
    tcase_add_test(tc, what_is_behind_is_known_by_its_table);
    tcase_add_test(tc, descriptor_can_be_taken_back);
    tcase_add_test(tc, tables_that_cannot_be_used);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
