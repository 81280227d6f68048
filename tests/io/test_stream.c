/* SPDX-License-Identifier: MIT */
/* Streams: reading, looking ahead, writing, closing; and that nothing is lost
 * however a call ends. */
#include "io/stream.h"

#include <coppice/alloc.h>
#include <coppice/cancel.h>

#include "base/alloc.h"
#include "pairs.h"
#include "support/random.h"
#include "support/virtual_clock.h"

#include <netinet/in.h>
#include <stdlib.h>

/* What is written to fds[1], or to a stream of it, is read from fds[0]. */
static int fds[2];

static co_stream *stream_of(int fd)
{
    co_stream *stream = co_stream_new(fd, NULL);

    ck_assert_ptr_nonnull(stream);
    return stream;
}

static co_stream *stream_with(int fd, size_t buffer_max, size_t write_buffer)
{
    co_stream_options options = {.size = sizeof(options),
                                 .buffer_max = buffer_max,
                                 .write_buffer = write_buffer};
    co_stream *stream = co_stream_new(fd, &options);

    ck_assert_ptr_nonnull(stream);
    return stream;
}

static co_stream *reader(void)
{
    make_pair(fds);
    return stream_of(fds[0]);
}

/* From outside the stream. */
static void send_text(const char *text)
{
    ck_assert_int_eq(co_write_all(fds[1], text, strlen(text), NULL), 0);
}

static void end_of_text(void)
{
    ck_assert_int_eq(co_close(fds[1]), 0);
}

static void expect(co_stream *stream, const char *text)
{
    char got[256];
    size_t len = strlen(text);

    ck_assert_int_eq(co_stream_read_exactly(stream, got, len, NULL), 0);
    ck_assert_mem_eq(got, text, len);
}

static void expect_end(co_stream *stream)
{
    char byte;

    ck_assert_int_eq(co_stream_read(stream, &byte, 1), 0);
}

/* ---- reading ------------------------------------------------------------- */

PAIR_TEST(read_returns_what_is_there)
{
    co_stream *stream = reader();
    char got[64];

    send_text("hello");
    ck_assert_int_eq(co_stream_read(stream, got, sizeof(got)), 5);
    ck_assert_mem_eq(got, "hello", 5);
    send_text("world");
    ck_assert_int_eq(co_stream_read(stream, got, 2), 2);
    ck_assert_int_eq(co_stream_read(stream, got + 2, 0), 0);
    ck_assert_int_eq(co_stream_read(stream, got + 2, sizeof(got) - 2), 3);
    ck_assert_mem_eq(got, "world", 5);
    end_of_text();
    ck_assert_int_eq(co_stream_read(stream, got, sizeof(got)), 0);
    ck_assert_int_eq(co_stream_read(stream, got, sizeof(got)), 0);
    ck_assert_int_eq(co_stream_close(stream), 0);
}

PAIR_TEST(stream_that_waits_has_no_buffer)
{
    co_stream *stream = reader();

    send_text("ab");
    expect(stream, "a");
    ck_assert_ptr_nonnull(stream->in);
    expect(stream, "b");
    ck_assert_ptr_null(stream->in);
    ck_assert_int_eq(co_stream_close(stream), 0);
    end_of_text();
}

PAIR_TEST(large_read_goes_past_the_buffer)
{
    co_stream *stream = reader();
    static char got[32768];

    send_text("text");
    ck_assert_int_eq(co_stream_read(stream, got, sizeof(got)), 4);
    ck_assert_ptr_null(stream->in);
    ck_assert_int_eq(co_stream_close(stream), 0);
    end_of_text();
}

PAIR_TEST(read_exactly_waits_for_all)
{
    co_stream *stream = reader();
    char got[8];
    size_t done = 99;

    send_text("abc");
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_read_exactly(stream, got, 5, &done),
                         -ETIMEDOUT);
    }
    ck_assert_uint_eq(done, 3);
    send_text("defgh");
    ck_assert_int_eq(co_stream_read_exactly(stream, got + 3, 2, &done), 0);
    ck_assert_uint_eq(done, 2);
    ck_assert_mem_eq(got, "abcde", 5);
    ck_assert_int_eq(co_stream_read_exactly(stream, NULL, 0, &done), 0);
    ck_assert_uint_eq(done, 0);
    end_of_text();
    ck_assert_int_eq(co_stream_read_exactly(stream, got, 8, &done), -ENODATA);
    ck_assert_uint_eq(done, 3);
    ck_assert_mem_eq(got, "fgh", 3);
    ck_assert_int_eq(co_stream_close(stream), 0);
}

PAIR_TEST(read_until_finds_a_separator_in_pieces)
{
    co_stream *stream = reader();
    char got[64];

    send_text("ab\r");
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_read_until(stream, "\r\n\r\n", 4, got,
                                              sizeof(got)),
                         -ETIMEDOUT);
    }
    send_text("\n\r");
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_read_until(stream, "\r\n\r\n", 4, got,
                                              sizeof(got)),
                         -ETIMEDOUT);
    }
    send_text("\nrest");
    ck_assert_int_eq(
        co_stream_read_until(stream, "\r\n\r\n", 4, got, sizeof(got)), 6);
    ck_assert_mem_eq(got, "ab\r\n\r\n", 6);
    expect(stream, "rest");
    ck_assert_int_eq(co_stream_close(stream), 0);
    end_of_text();
}

PAIR_TEST(separator_that_is_too_far_away_is_emsgsize_and_loses_nothing)
{
    co_stream *stream = reader();
    char got[8];

    send_text("0123456789;x");
    ck_assert_int_eq(co_stream_read_until(stream, ";", 1, got, 8), -EMSGSIZE);
    ck_assert_int_eq(co_stream_read_until(stream, ";", 1, got, 0), -EMSGSIZE);
    expect(stream, "012");
    ck_assert_int_eq(co_stream_read_until(stream, ";", 1, got, 7), -EMSGSIZE);
    ck_assert_int_eq(co_stream_read_until(stream, ";", 1, got, 8), 8);
    ck_assert_mem_eq(got, "3456789;", 8);
    end_of_text();
    ck_assert_int_eq(co_stream_read_until(stream, ";", 1, got, 8), -ENODATA);
    expect(stream, "x");
    ck_assert_int_eq(co_stream_read_until(stream, ";", 1, got, 8), -ENODATA);
    ck_assert_int_eq(co_stream_close(stream), 0);
}

PAIR_TEST(buffer_max_limits_what_is_looked_through)
{
    const void *data;
    char got[64];
    co_stream *stream;

    make_pair(fds);
    stream = stream_with(fds[0], 8, 0);
    send_text("0123456789;");
    ck_assert_int_eq(co_stream_read_until(stream, ";", 1, got, 64), -EMSGSIZE);
    ck_assert_int_eq(co_stream_find(stream, ";", 1, &data), -EMSGSIZE);
    ck_assert_int_eq(co_stream_read_line(stream, got, 64), -EMSGSIZE);
    ck_assert_int_eq(co_stream_peek(stream, 9, &data), -EMSGSIZE);
    ck_assert_int_eq(co_stream_peek(stream, 8, &data), 8);
    ck_assert_mem_eq(data, "01234567", 8);
    expect(stream, "012");
    ck_assert_int_eq(co_stream_find(stream, ";", 1, &data), 8);
    ck_assert_mem_eq(data, "3456789;", 8);
    ck_assert_int_eq(co_stream_close(stream), 0);
    end_of_text();
}

PAIR_TEST(lines_are_strings_without_their_ends)
{
    co_stream *stream = reader();
    char line[16];

    send_text("one\ntwo\r\n\n\r\nfive\r");
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), 3);
    ck_assert_str_eq(line, "one");
    ck_assert_int_eq(co_stream_read_line(stream, line, 4), 3);
    ck_assert_str_eq(line, "two");
    ck_assert_int_eq(co_stream_read_line(stream, line, 1), 0);
    ck_assert_str_eq(line, "");
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), 0);
    ck_assert_str_eq(line, "");
    send_text("\r\nlast");
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), 5);
    ck_assert_str_eq(line, "five\r");
    end_of_text();
    ck_assert_int_eq(co_stream_read_line(stream, line, 4), -EMSGSIZE);
    ck_assert_int_eq(co_stream_read_line(stream, line, 5), 4);
    ck_assert_str_eq(line, "last");
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), -ENODATA);
    ck_assert_int_eq(co_stream_close(stream), 0);
}

PAIR_TEST(line_that_is_too_long_stays)
{
    co_stream *stream = reader();
    char line[8];

    send_text("12345678\nab\r\n");
    ck_assert_int_eq(co_stream_read_line(stream, line, 8), -EMSGSIZE);
    expect(stream, "1");
    ck_assert_int_eq(co_stream_read_line(stream, line, 8), 7);
    ck_assert_str_eq(line, "2345678");
    ck_assert_int_eq(co_stream_read_line(stream, line, 2), -EMSGSIZE);
    ck_assert_int_eq(co_stream_read_line(stream, line, 3), 2);
    ck_assert_str_eq(line, "ab");
    ck_assert_int_eq(co_stream_close(stream), 0);
    end_of_text();
}

PAIR_TEST(peek_leaves_what_it_shows)
{
    co_stream *stream = reader();
    const void *data = NULL;

    ck_assert_int_eq(co_stream_peek(stream, 0, &data), 0);
    ck_assert_ptr_nonnull(data);
    send_text("abcd");
    ck_assert_int_eq(co_stream_peek(stream, 1, &data), 4);
    ck_assert_mem_eq(data, "abcd", 4);
    ck_assert_int_eq(co_stream_skip(stream, 5), -EINVAL);
    ck_assert_int_eq(co_stream_skip(stream, 3), 0);
    ck_assert_int_eq(co_stream_skip(stream, 0), 0);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_peek(stream, 3, &data), -ETIMEDOUT);
    }
    send_text("ef;g");
    ck_assert_int_eq(co_stream_find(stream, ";", 1, &data), 4);
    ck_assert_mem_eq(data, "def;", 4);
    ck_assert_int_eq(co_stream_skip(stream, 4), 0);
    end_of_text();
    ck_assert_int_eq(co_stream_peek(stream, 3, &data), 1);
    ck_assert_mem_eq(data, "g", 1);
    ck_assert_int_eq(co_stream_find(stream, ";", 1, &data), -ENODATA);
    expect(stream, "g");
    ck_assert_int_eq(co_stream_close(stream), 0);
}

/* ---- while it waits ------------------------------------------------------ */

/* One call of a stream in a task of its own. */
struct stream_call {
    co_stream *stream;
    size_t len;
    co_task *task;
    ssize_t result;
    struct co_test_log *log; /* gets `name` at the end */
    char name;
    char buffer[64];
    const void *view;
    size_t done;
};

static int finish(struct stream_call *call, ssize_t result)
{
    call->result = result;
    if (call->log)
        co_test_log_add(call->log, call->name);
    return 0;
}

static int do_read(void *arg)
{
    struct stream_call *call = arg;

    return finish(call, co_stream_read(call->stream, call->buffer, call->len));
}

static int do_read_until(void *arg)
{
    struct stream_call *call = arg;

    return finish(call, co_stream_read_until(call->stream, ";", 1, call->buffer,
                                             sizeof(call->buffer)));
}

static int do_read_line(void *arg)
{
    struct stream_call *call = arg;

    return finish(call, co_stream_read_line(call->stream, call->buffer,
                                            sizeof(call->buffer)));
}

static int do_peek(void *arg)
{
    struct stream_call *call = arg;

    return finish(call, co_stream_peek(call->stream, 3, &call->view));
}

static int do_find(void *arg)
{
    struct stream_call *call = arg;

    return finish(call, co_stream_find(call->stream, ";", 1, &call->view));
}

static const co_task_fn reads[] = {do_read, do_read_until, do_read_line,
                                   do_peek, do_find};

/* All of them are served by this. */
static const char served[] = "ab;\n";

static void start(struct stream_call *call, co_task_fn fn)
{
    call->result = 12345;
    call->task = co_test_spawn(fn, call);
    co_test_yield();
}

static ssize_t result_of(struct stream_call *call)
{
    ck_assert_int_eq(co_test_result(call->task), 0);
    return call->result;
}

PAIR_TEST(read_that_is_cancelled_has_taken_nothing)
{
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct stream_call call = {.stream = reader(), .len = 64};

        start(&call, reads[i]);
        ck_assert_int_eq(call.task->state, CO__TASK_PARKED);
        ck_assert_int_eq(co_cancel(call.task), 1);
        send_text(served);           /* too late */
        if (result_of(&call) >= 0) { /* but not to end a command */
            ck_assert(is_commanded(fds[0]));
            ck_assert_uint_eq(call.stream->bytes_read, strlen(served));
        } else {
            ck_assert_int_eq(call.result, -ECANCELED);
            expect(call.stream, served);
        }
        ck_assert_int_eq(co_stream_close(call.stream), 0);
        end_of_text();
    }
}

/* There is something to read, and the call has been told. */
static void start_and_wake(struct stream_call *call, co_task_fn fn)
{
    start(call, fn);
    send_text(served);
    while (call->task->state == CO__TASK_PARKED)
        collect_events();
}

PAIR_TEST(read_that_was_woken_before_its_cancel_has_read)
{
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct stream_call call = {.stream = reader(), .len = 64};

        start_and_wake(&call, reads[i]);
        ck_assert_int_eq(co_cancel(call.task), 1);
        ck_assert_int_ge(result_of(&call), 2);
        ck_assert_int_eq(co_stream_close(call.stream), 0);
        end_of_text();
    }
}

PAIR_TEST(read_that_was_woken_before_a_close_is_ebadf)
{
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct stream_call call = {.stream = reader(), .len = 64};

        start_and_wake(&call, reads[i]);
        ck_assert_int_eq(co_stream_close(call.stream), 0);
        ck_assert_int_eq(result_of(&call), -EBADF);
        end_of_text();
    }
}

/* More than a backend has buffers ready for. */
CO_TASK_TEST(many_readers_whose_bytes_come_together_get_theirs)
{
    enum {
        MANY = 300
    };
    static struct stream_call calls[MANY];
    static int ends[MANY][2];

    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends[i]), 0);
        calls[i] = (struct stream_call){
            .stream = co_stream_new(ends[i][0], NULL), .len = 64};
        ck_assert_ptr_nonnull(calls[i].stream);
        start(&calls[i], do_read);
    }
    collect_events();
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq((int)write(ends[i][1], &i, sizeof(i)), sizeof(i));
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq((int)result_of(&calls[i]), sizeof(i));
        ck_assert_mem_eq(calls[i].buffer, &i, sizeof(i));
        ck_assert_int_eq(co_stream_close(calls[i].stream), 0);
        close(ends[i][1]);
    }
}

PAIR_TEST(cancel_between_two_halves_loses_neither)
{
    for (size_t i = 1; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct stream_call call = {.stream = reader(), .len = 64};

        send_text("ab");
        start(&call, reads[i]);
        while (call.stream->in_count < 2)
            run_events();
        ck_assert_int_eq(call.task->state, CO__TASK_PARKED);
        ck_assert_int_eq(co_cancel(call.task), 1);
        ck_assert_int_eq(result_of(&call), -ECANCELED);
        send_text(";\n");
        expect(call.stream, served);
        ck_assert_int_eq(co_stream_close(call.stream), 0);
        end_of_text();
    }
}

PAIR_TEST(readers_are_served_first_come_first_served)
{
    struct co_test_log log = {0};
    struct stream_call calls[3];
    co_stream *stream = reader();

    for (int i = 0; i < 3; i++) {
        calls[i] = (struct stream_call){
            .stream = stream, .len = 1, .log = &log, .name = (char)('a' + i)};
        start(&calls[i], do_read);
    }
    send_text("xyz");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(result_of(&calls[i]), 1);
        ck_assert_int_eq(calls[i].buffer[0], 'x' + i);
    }
    ck_assert_int_eq(co_stream_close(stream), 0);
    end_of_text();
}

PAIR_TEST(reader_in_line_may_be_cancelled)
{
    co_stream *stream = reader();
    struct stream_call first = {.stream = stream, .len = 1};
    struct stream_call second = {.stream = stream, .len = 1};
    struct stream_call third = {.stream = stream, .len = 1};

    start(&first, do_read);
    start(&second, do_read);
    start(&third, do_read);
    ck_assert_int_eq(co_cancel(second.task), 1);
    ck_assert_int_eq(result_of(&second), -ECANCELED);
    ck_assert_int_eq(co_cancel(first.task), 1);
    ck_assert_int_eq(result_of(&first), -ECANCELED);
    send_text("x");
    ck_assert_int_eq(result_of(&third), 1);
    ck_assert_int_eq(co_stream_close(stream), 0);
    end_of_text();
}

/* ---- writing ------------------------------------------------------------- */

#define MUCH ((size_t)4 * 1024 * 1024)

static char *pattern(size_t len)
{
    uint64_t *data = malloc(len + sizeof(*data));
    struct co_test_random random = {.state = len};

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i <= len / sizeof(*data); i++)
        data[i] = co_test_random_next(&random);
    return (char *)data;
}

struct much {
    int fd;
    const char *data;
    size_t len;
    int matches;
};

/* Read all that comes and compare it. */
static int read_much(void *arg)
{
    struct much *much = arg;
    static char got[50000];
    size_t at = 0;
    ssize_t n;

    much->matches = 1;
    while ((n = co_read(much->fd, got, sizeof(got))) > 0) {
        if (at + (size_t)n > much->len ||
            memcmp(got, much->data + at, (size_t)n) != 0)
            much->matches = 0;
        at += (size_t)n;
    }
    much->matches &= at == much->len;
    return (int)n;
}

PAIR_TEST(write_waits_until_all_is_taken)
{
    char *data = pattern(MUCH);
    struct much much = {.data = data, .len = MUCH};
    co_stream *stream;
    co_task *task;
    size_t done = 0;

    make_pair(fds);
    stream = stream_of(fds[1]);
    much.fd = fds[0];
    task = co_test_spawn(read_much, &much);
    ck_assert_int_eq(co_stream_write(stream, data, MUCH, &done), 0);
    ck_assert_uint_eq(done, MUCH);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(much.matches, 1);
    ck_assert_int_eq(co_close(fds[0]), 0);
    free(data);
}

PAIR_TEST(write_that_is_interrupted_says_how_far_it_came)
{
    char *data = pattern(MUCH);
    struct much much = {.data = data};
    co_stream *stream;
    co_task *task;
    size_t done = 0;

    make_pair(fds);
    stream = stream_of(fds[1]);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_write(stream, data, MUCH, &done),
                         -ETIMEDOUT);
    }
    ck_assert_uint_gt(done, 0);
    ck_assert_uint_lt(done, MUCH);
    much.len = done;
    much.fd = fds[0];
    task = co_test_spawn(read_much, &much);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(much.matches, 1);
    ck_assert_int_eq(co_close(fds[0]), 0);
    free(data);
}

PAIR_TEST(vector_of_many_pieces_arrives_in_order)
{
    struct iovec iov[100];
    char *data = pattern(sizeof(iov) * 64);
    struct much much = {.data = data};
    co_stream *stream;
    co_task *task;
    size_t done;

    for (size_t i = 0; i < 100; i++) {
        iov[i].iov_base = i % 7 ? data + much.len : NULL;
        iov[i].iov_len = i % 7 ? i * 10 : 0;
        much.len += iov[i].iov_len;
    }
    make_pair(fds);
    stream = stream_of(fds[1]);
    much.fd = fds[0];
    task = co_test_spawn(read_much, &much);
    ck_assert_int_eq(co_stream_writev(stream, iov, 100, &done), 0);
    ck_assert_uint_eq(done, much.len);
    ck_assert_int_eq(co_stream_writev(stream, NULL, 0, &done), 0);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(much.matches, 1);
    ck_assert_int_eq(co_close(fds[0]), 0);
    free(data);
}

struct writer {
    co_stream *stream;
    char letter;
};

#define PIECE ((size_t)200000)

static int write_letters(void *arg)
{
    struct writer *writer = arg;
    char *data = malloc(PIECE);
    int r;

    memset(data, writer->letter, PIECE);
    r = co_stream_write(writer->stream, data, PIECE, NULL);
    free(data);
    return r;
}

static size_t others_than(const char *data, size_t len, int letter)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += data[i] != letter;
    return count;
}

PAIR_TEST(writes_of_several_tasks_do_not_mix)
{
    struct writer writers[3];
    co_task *tasks[3];
    co_stream *stream;
    char *got = malloc(PIECE);

    make_pair(fds);
    stream = stream_of(fds[1]);
    for (int i = 0; i < 3; i++) {
        writers[i] = (struct writer){stream, (char)('a' + i)};
        tasks[i] = co_test_spawn(write_letters, &writers[i]);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_read_full(fds[0], got, PIECE, NULL), 0);
        ck_assert_uint_eq(others_than(got, PIECE, 'a' + i), 0);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
    free(got);
}

PAIR_TEST(write_to_a_reader_that_has_gone_is_epipe)
{
    co_stream *stream;
    size_t done = 9;
    int r = 0;

    make_pair(fds);
    stream = stream_of(fds[1]);
    ck_assert_int_eq(co_close(fds[0]), 0);
    /* TCP tells after the first. */
    for (int i = 0; i < 100 && r == 0; i++) {
        r = co_stream_write(stream, "x", 1, &done);
        if (r == 0)
            ck_assert_int_eq(co_sleep(CO_MS), 0);
    }
    ck_assert(r == -EPIPE || r == -ECONNRESET);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(co_stream_close(stream), 0);
}

/* ---- the write buffer ---------------------------------------------------- */

PAIR_TEST(small_writes_are_gathered_until_they_are_flushed)
{
    co_stream *stream;
    size_t done = 0;
    char got[8];

    make_pair(fds);
    stream = stream_with(fds[1], 0, 8);
    ck_assert_int_eq(co_stream_write(stream, "abc", 3, &done), 0);
    ck_assert_uint_eq(done, 3);
    ck_assert_int_eq(co_stream_write(stream, "", 0, NULL), 0);
    ck_assert_int_eq(co_stream_write(stream, "def", 3, NULL), 0);
    ck_assert(nothing_there(fds[0]));
    ck_assert_int_eq(co_stream_flush(stream), 0);
    ck_assert_ptr_null(stream->out);
    ck_assert_int_eq(co_stream_flush(stream), 0);
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 6);
    ck_assert_mem_eq(got, "abcdef", 6);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

PAIR_TEST(write_that_does_not_fit_takes_the_buffer_along)
{
    co_stream *stream;
    char got[16];

    make_pair(fds);
    stream = stream_with(fds[1], 0, 8);
    ck_assert_int_eq(co_stream_write(stream, "abcdef", 6, NULL), 0);
    ck_assert(nothing_there(fds[0]));
    ck_assert_int_eq(co_stream_write(stream, "ghi", 3, NULL), 0);
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 9);
    ck_assert_mem_eq(got, "abcdefghi", 9);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

PAIR_TEST(close_flushes)
{
    co_stream *stream;
    char got[8];

    make_pair(fds);
    stream = stream_with(fds[1], 0, 64);
    ck_assert_int_eq(co_stream_write(stream, "abc", 3, NULL), 0);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 3);
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

PAIR_TEST(flush_that_is_interrupted_keeps_the_rest)
{
    size_t len = MUCH;
    char *data = pattern(len);
    struct much much = {.data = data, .len = len};
    co_stream *stream;
    co_task *task;

    make_pair(fds);
    stream = stream_with(fds[1], 0, len);
    ck_assert_int_eq(co_stream_write(stream, data, len, NULL), 0);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_flush(stream), -ETIMEDOUT);
    }
    ck_assert_uint_gt(stream->out_count, 0);
    ck_assert_uint_lt(stream->out_count, len);
    much.fd = fds[0];
    task = co_test_spawn(read_much, &much);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(much.matches, 1);
    ck_assert_int_eq(co_close(fds[0]), 0);
    free(data);
}

CO_TASK_TEST(read_that_waits_flushes_first)
{
    co_stream *stream;
    char got[8];

    tcp_pair(fds);
    stream = stream_with(fds[1], 0, 64);
    ck_assert_int_eq(co_stream_write(stream, "ask", 3, NULL), 0);
    ck_assert(nothing_there(fds[0]));
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_read(stream, got, 1), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 3);
    /* What is buffered already is no reason to. */
    ck_assert_int_eq(co_write_all(fds[0], "xy", 2, NULL), 0);
    expect(stream, "x");
    ck_assert_int_eq(co_stream_write(stream, "ask", 3, NULL), 0);
    expect(stream, "y");
    ck_assert(nothing_there(fds[0]));
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(write_eof_flushes_and_leaves_reading)
{
    co_stream *stream;
    char got[8];

    tcp_pair(fds);
    stream = stream_with(fds[1], 0, 64);
    ck_assert_int_eq(co_stream_write(stream, "ask", 3, NULL), 0);
    ck_assert_int_eq(co_stream_write_eof(stream), 0);
    ck_assert_int_eq(co_read_full(fds[0], got, 3, NULL), 0);
    ck_assert_int_eq(co_read(fds[0], got, 1), 0);
    ck_assert_int_eq(co_write_all(fds[0], "answer", 6, NULL), 0);
    expect(stream, "answer");
    ck_assert_int_eq(co_stream_write(stream, "x", 1, NULL), 0); /* buffered */
    ck_assert_int_eq(co_stream_close(stream), -EPIPE);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(pipe_has_no_write_eof)
{
    co_stream *stream;

    foreign_pipe(fds);
    stream = stream_of(fds[1]);
    ck_assert_int_eq(co_stream_write_eof(stream), -ENOTSUP);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

/* ---- closing ------------------------------------------------------------- */

PAIR_TEST(close_ends_reads_of_other_tasks_with_ebadf)
{
    co_stream *stream = reader();
    struct stream_call first = {.stream = stream, .len = 1};
    struct stream_call second = {.stream = stream, .len = 1};

    start(&first, do_read);
    start(&second, do_read_line);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(result_of(&first), -EBADF);
    ck_assert_int_eq(result_of(&second), -EBADF);
    end_of_text();
}

static int close_it(void *arg)
{
    return co_stream_close(arg);
}

PAIR_TEST(close_waits_for_writers_that_were_first)
{
    struct writer writer;
    co_task *writing, *closing;
    char *got = malloc(PIECE);

    make_pair(fds);
    writer = (struct writer){stream_of(fds[1]), 'w'};
    writing = co_test_spawn(write_letters, &writer);
    co_test_yield();
    closing = co_test_spawn(close_it, writer.stream);
    co_test_yield();
    ck_assert_int_eq(co_read_full(fds[0], got, PIECE, NULL), 0);
    ck_assert_int_eq(co_read(fds[0], got, 1), 0);
    ck_assert_int_eq(co_test_result(writing), 0);
    ck_assert_int_eq(co_test_result(closing), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
    free(got);
}

PAIR_TEST(close_under_a_limit_closes_at_once)
{
    struct writer writer;
    co_task *writing;

    make_pair(fds);
    writer = (struct writer){stream_of(fds[1]), 'w'};
    fill(fds[1]);
    writing = co_test_spawn(write_letters, &writer);
    co_test_yield();
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_close(writer.stream), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_test_result(writing), -EBADF);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(abort_resets_a_connection)
{
    co_stream *stream;
    char byte;

    tcp_pair(fds);
    stream = stream_with(fds[1], 0, 64);
    ck_assert_int_eq(co_stream_write(stream, "lost", 4, NULL), 0);
    co_stream_abort(stream);
    ck_assert_int_eq(co_read(fds[0], &byte, 1), -ECONNRESET);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

PAIR_TEST(abort_ends_calls_of_other_tasks)
{
    struct stream_call call = {.stream = reader(), .len = 1};

    start(&call, do_read);
    co_stream_abort(call.stream);
    ck_assert_int_eq(result_of(&call), -EBADF);
    end_of_text();
}

/* ---- bad input, and no memory -------------------------------------------- */

CO_TASK_TEST(arguments_are_checked)
{
    co_stream_options small = {.size = 1};
    co_stream_options huge = {.size = sizeof(huge), .buffer_max = SIZE_MAX};
    co_stream *stream;
    const void *data;
    char byte;
    size_t done = 9;

    errno = 0;
    ck_assert_ptr_null(co_stream_new(-1, NULL));
    ck_assert_int_eq(errno, EBADF);
    tcp_pair(fds);
    ck_assert_ptr_null(co_stream_new(fds[0], &small));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(co_stream_new(fds[0], &huge));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(co_stream_close(NULL), 0);
    co_stream_abort(NULL);
    ck_assert_int_eq(co_stream_read(NULL, &byte, 1), -EINVAL);
    ck_assert_int_eq(co_stream_read_exactly(NULL, &byte, 1, &done), -EINVAL);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(co_stream_read_line(NULL, &byte, 1), -EINVAL);
    ck_assert_int_eq(co_stream_read_until(NULL, ";", 1, &byte, 1), -EINVAL);
    ck_assert_int_eq(co_stream_peek(NULL, 1, &data), -EINVAL);
    ck_assert_int_eq(co_stream_find(NULL, ";", 1, &data), -EINVAL);
    ck_assert_int_eq(co_stream_skip(NULL, 1), -EINVAL);
    ck_assert_int_eq(co_stream_flush(NULL), -EINVAL);
    ck_assert_int_eq(co_stream_write_eof(NULL), -EINVAL);
    done = 9;
    ck_assert_int_eq(co_stream_write(NULL, "x", 1, &done), -EINVAL);
    ck_assert_uint_eq(done, 0);
    stream = stream_of(fds[0]);
    ck_assert_int_eq(co_stream_read(stream, NULL, 1), -EINVAL);
    ck_assert_int_eq(co_stream_read_exactly(stream, NULL, 1, NULL), -EINVAL);
    ck_assert_int_eq(co_stream_read_line(stream, &byte, 0), -EINVAL);
    ck_assert_int_eq(co_stream_read_line(stream, NULL, 1), -EINVAL);
    ck_assert_int_eq(co_stream_read_until(stream, "", 0, &byte, 1), -EINVAL);
    ck_assert_int_eq(co_stream_read_until(stream, ";", 1, NULL, 1), -EINVAL);
    ck_assert_int_eq(co_stream_peek(stream, 1, NULL), -EINVAL);
    ck_assert_int_eq(co_stream_find(stream, NULL, 1, &data), -EINVAL);
    ck_assert_int_eq(co_stream_write(stream, NULL, 1, NULL), -EINVAL);
    ck_assert_int_eq(co_stream_writev(stream, NULL, 1, NULL), -EINVAL);
    ck_assert_int_eq(co_stream_writev(stream, NULL, -1, NULL), -EINVAL);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

/* Whichever request fails: the call says so, and works the next time. */
PAIR_TEST(no_memory_loses_nothing)
{
    for (unsigned n = 1; n < 8; n++) {
        char got[8] = "";
        co_stream *stream;
        ssize_t r;

        make_pair(fds);
        co__fault_after(n);
        stream = co_stream_new(fds[0], NULL);
        if (!stream) {
            ck_assert_int_eq(errno, ENOMEM);
            co__fault_after(0);
            stream = stream_of(fds[0]);
        }
        send_text("ab;");
        r = co_stream_read_until(stream, ";", 1, got, sizeof(got));
        if (r == -ENOMEM)
            r = co_stream_read_until(stream, ";", 1, got, sizeof(got));
        co__fault_after(0);
        ck_assert_int_eq(r, 3);
        ck_assert_mem_eq(got, "ab;", 3);
        ck_assert_int_eq(co_stream_close(stream), 0);
        end_of_text();
    }
}

PAIR_TEST(no_memory_for_the_write_buffer_writes_at_once)
{
    co_stream *stream;
    char got[8];

    make_pair(fds);
    stream = stream_with(fds[1], 0, 64);
    co__fault_after(1);
    ck_assert_int_eq(co_stream_write(stream, "abc", 3, NULL), 0);
    co__fault_after(0);
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 3);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

START_TEST(stream_outside_tasks_blocks_the_thread)
{
    co_stream *stream, *other;
    char line[16];

    foreign_socket_pair(fds);
    stream = stream_of(fds[0]);
    other = stream_of(fds[1]);
    ck_assert_int_eq(co_stream_write(other, "one\ntwo\n", 8, NULL), 0);
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), 3);
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), 3);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)),
                         -ETIMEDOUT);
    }
    ck_assert_int_eq(co_stream_close(other), 0);
    ck_assert_int_eq(co_stream_read_line(stream, line, sizeof(line)), -ENODATA);
    ck_assert_int_eq(co_stream_close(stream), 0);
}
END_TEST

/* ---- at random ----------------------------------------------------------- */

#define SENT ((size_t)300000)

struct source {
    co_stream *stream;
    const char *data;
    uint64_t seed;
};

static int write_in_pieces(void *arg)
{
    struct source *source = arg;
    struct co_test_random random = {.state = source->seed};
    size_t at = 0;
    int r = 0;

    while (r == 0 && at < SENT) {
        size_t len = 1 + co_test_random_below(&random, 5000);
        size_t done;

        if (len > SENT - at)
            len = SENT - at;
        co_timeout(co_test_random_below(&random, 2) ? CO_SEC : 1) {
            r = co_stream_write(source->stream, source->data + at, len, &done);
        }
        at += done;
        if (r == -ETIMEDOUT)
            r = 0;
        if (co_test_random_below(&random, 4) == 0)
            ck_assert_int_eq(co_yield_now(), 0);
    }
    return r < 0 ? r : co_stream_close(source->stream);
}

/* One read of any kind: how many bytes of `data` it has checked off. */
static size_t read_anyhow(co_stream *stream, const char *data,
                          struct co_test_random *random)
{
    static char got[20000];
    size_t len = 1 + co_test_random_below(
                         random, co_test_random_below(random, 2) ? 100 : 20000);
    const void *view;
    size_t done = 0;
    ssize_t n = 0;

    switch (co_test_random_below(random, 5)) {
    case 0:
        n = co_stream_read(stream, got, len);
        break;
    case 1:
        n = co_stream_read_exactly(stream, got, len, &done);
        n = (ssize_t)done;
        break;
    case 2:
        n = co_stream_read_until(stream, "xy", 2, got, len);
        if (n > 0)
            ck_assert_ptr_eq(memmem(got, (size_t)n, "xy", 2), got + n - 2);
        break;
    case 3:
        n = co_stream_find(stream, "yx", 2, &view);
        if (n > 0) {
            memcpy(got, view, (size_t)n);
            ck_assert_int_eq(co_stream_skip(stream, (size_t)n), 0);
        }
        break;
    default:
        n = co_stream_peek(stream, len, &view);
        if (n > 0) {
            n = n < (ssize_t)len ? n : (ssize_t)len;
            memcpy(got, view, (size_t)n);
            ck_assert_int_eq(co_stream_skip(stream, (size_t)n), 0);
        }
    }
    if (n <= 0)
        return 0;
    ck_assert_mem_eq(got, data, (size_t)n);
    return (size_t)n;
}

PAIR_TEST(any_reads_get_what_any_writes_sent)
{
    char *data = malloc(SENT);

    for (uint64_t seed = 1; seed <= (uint64_t)co_test_scale(8, 2); seed++) {
        struct co_test_random random = {.state = seed};
        struct source source = {.data = data, .seed = seed};
        co_stream *stream;
        co_task *task;
        size_t at = 0;

        for (size_t i = 0; i < SENT; i++)
            data[i] = (char)('a' + co_test_random_below(&random, 26));
        make_pair(fds);
        source.stream = stream_with(fds[1], 0, seed % 2 ? 1000 : 0);
        stream = stream_with(fds[0], 20000, 0);
        task = co_test_spawn(write_in_pieces, &source);
        while (at < SENT)
            co_timeout(co_test_random_below(&random, 3) ? CO_SEC : 1)
                at += read_anyhow(stream, data + at, &random);
        expect_end(stream);
        ck_assert_int_eq(co_test_result(task), 0);
        ck_assert_int_eq(co_stream_close(stream), 0);
    }
    free(data);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io/stream");
    TCase *tc = tcase_create("stream");

    ADD_PAIR_TEST(tc, read_returns_what_is_there);
    ADD_PAIR_TEST(tc, stream_that_waits_has_no_buffer);
    ADD_PAIR_TEST(tc, large_read_goes_past_the_buffer);
    ADD_PAIR_TEST(tc, read_exactly_waits_for_all);
    ADD_PAIR_TEST(tc, read_until_finds_a_separator_in_pieces);
    ADD_PAIR_TEST(tc,
                  separator_that_is_too_far_away_is_emsgsize_and_loses_nothing);
    ADD_PAIR_TEST(tc, buffer_max_limits_what_is_looked_through);
    ADD_PAIR_TEST(tc, lines_are_strings_without_their_ends);
    ADD_PAIR_TEST(tc, line_that_is_too_long_stays);
    ADD_PAIR_TEST(tc, peek_leaves_what_it_shows);
    ADD_PAIR_TEST(tc, read_that_is_cancelled_has_taken_nothing);
    ADD_PAIR_TEST(tc, read_that_was_woken_before_its_cancel_has_read);
    ADD_PAIR_TEST(tc, read_that_was_woken_before_a_close_is_ebadf);
    tcase_add_test(tc, many_readers_whose_bytes_come_together_get_theirs);
    ADD_PAIR_TEST(tc, cancel_between_two_halves_loses_neither);
    ADD_PAIR_TEST(tc, readers_are_served_first_come_first_served);
    ADD_PAIR_TEST(tc, reader_in_line_may_be_cancelled);
    ADD_PAIR_TEST(tc, write_waits_until_all_is_taken);
    ADD_PAIR_TEST(tc, write_that_is_interrupted_says_how_far_it_came);
    ADD_PAIR_TEST(tc, vector_of_many_pieces_arrives_in_order);
    ADD_PAIR_TEST(tc, writes_of_several_tasks_do_not_mix);
    ADD_PAIR_TEST(tc, write_to_a_reader_that_has_gone_is_epipe);
    ADD_PAIR_TEST(tc, small_writes_are_gathered_until_they_are_flushed);
    ADD_PAIR_TEST(tc, write_that_does_not_fit_takes_the_buffer_along);
    ADD_PAIR_TEST(tc, close_flushes);
    ADD_PAIR_TEST(tc, flush_that_is_interrupted_keeps_the_rest);
    tcase_add_test(tc, read_that_waits_flushes_first);
    tcase_add_test(tc, write_eof_flushes_and_leaves_reading);
    tcase_add_test(tc, pipe_has_no_write_eof);
    ADD_PAIR_TEST(tc, close_ends_reads_of_other_tasks_with_ebadf);
    ADD_PAIR_TEST(tc, close_waits_for_writers_that_were_first);
    ADD_PAIR_TEST(tc, close_under_a_limit_closes_at_once);
    tcase_add_test(tc, abort_resets_a_connection);
    ADD_PAIR_TEST(tc, abort_ends_calls_of_other_tasks);
    tcase_add_test(tc, arguments_are_checked);
    ADD_PAIR_TEST(tc, no_memory_loses_nothing);
    ADD_PAIR_TEST(tc, no_memory_for_the_write_buffer_writes_at_once);
    tcase_add_test(tc, stream_outside_tasks_blocks_the_thread);
    ADD_PAIR_TEST(tc, any_reads_get_what_any_writes_sent);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
