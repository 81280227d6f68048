/* SPDX-License-Identifier: MIT */
/* Copying much between descriptors, through a pipe where the system has that:
 * every byte comes, wherever the copy is interrupted. */
#include <coppice/copy.h>

#include <coppice/cancel.h>
#include <coppice/pipe.h>
#include <coppice/stream_ops.h>

#include "io/splice.h"
#include "io/stream.h"
#include "io_support.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/uio.h>

enum {
    MUCH = 1500 * 1024 + 123, /* more than is under way at any time */
    BUFFERS = 128 * 1024,     /* of a socket; the kernel doubles it */
    PIECE = 50000,            /* what a feeder writes at a time */
};

static char byte_at(uint64_t i)
{
    return (char)(i * 7 + i / 251 + i / 65537);
}

static const char *much(void)
{
    static char bytes[MUCH];

    if (!bytes[1])
        for (int i = 0; i < MUCH; i++)
            bytes[i] = byte_at((uint64_t)i);
    return bytes;
}

/* What was read, from `at` on. */
static void check_bytes(const char *got, uint64_t at, size_t count)
{
    ck_assert_uint_le(at + count, MUCH);
    ck_assert_mem_eq(got, much() + at, count);
}

/* ---- where it comes from and where it goes ------------------------------- */

/* Which kinds there are. `in[1]` is written to, `out[0]` is read from, and -1
 * if the kind has no such end. */
enum kind {
    TCP,
    UNIX,
    PIPE,
    REGULAR,   /* a file */
    BORROWED,  /* somebody else's pipe */
    FUNCTIONS, /* a table of them, around TCP */
    KINDS
};

static int in[2], out[2];
static co_stream *from, *to;

static ssize_t read_below(void *arg, void *buffer, size_t len)
{
    return co_read((int)(intptr_t)arg, buffer, len);
}

static ssize_t write_below(void *arg, const struct iovec *iov, int count)
{
    return co_writev((int)(intptr_t)arg, iov, count);
}

static int close_below(void *arg)
{
    return co_close((int)(intptr_t)arg);
}

static const co_stream_ops functions = {.size = sizeof(functions),
                                        .read = read_below,
                                        .writev = write_below,
                                        .close = close_below};

static int temporary_file(void)
{
    char path[] = "/tmp/coppice-splice-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    return fd;
}

/* fds[end] is what the stream is of. */
static co_stream *open_end(enum kind kind, int fds[2], int end)
{
    static pair_fn *const makers[KINDS] = {tcp_pair, unix_pair,    pipe_pair,
                                           NULL,     foreign_pipe, tcp_pair};
    co_stream_options options = {.size = sizeof(options),
                                 .borrow = kind == BORROWED};
    co_stream *stream;

    if (kind == REGULAR) {
        fds[end] = temporary_file();
        fds[1 - end] = dup(fds[end]);
    } else {
        makers[kind](fds);
    }
    for (int i = 0; i < 2; i++) {
        int bytes = BUFFERS;

        /* What is no socket has no such thing. */
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
        (void)setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
    if (kind == FUNCTIONS)
        stream = co_stream_over(&functions, co_test_number(fds[end]), NULL);
    else
        stream = co_stream_new(fds[end], &options);
    ck_assert_ptr_nonnull(stream);
    return stream;
}

static void open_streams(enum kind source, enum kind sink)
{
    from = open_end(source, in, 0);
    to = open_end(sink, out, 1);
}

/* What is left open of `in` and `out` is the caller's. */
static void close_streams(enum kind source, enum kind sink)
{
    (void)co_stream_close(to);
    (void)co_stream_close(from);
    if (source == BORROWED)
        ck_assert_int_eq(co_close(in[0]), 0);
    if (sink == BORROWED)
        ck_assert_int_eq(co_close(out[1]), 0);
}

/* Whether such a copy goes through a pipe, where there is splice at all. */
static int is_spliced(enum kind source, enum kind sink)
{
    return source <= REGULAR && sink <= PIPE;
}

/* Whether there has been a pipe. */
static int pipe_was_used(void)
{
    return co_loop_running()->fds->spare || from->piped;
}

/* Whether the system has it: elsewhere all goes by the buffer. */
static int have_splice(void)
{
    int fds[2], has;

    pipe_pair(fds);
    has = co__splice_fits(fds[1], fds[0]);
    close_pair(fds);
    return has;
}

/* ---- the tasks around a copy --------------------------------------------- */

/* Writes `size` bytes to in[1], and closes it. */
static int feed(void *size)
{
    intptr_t left = (intptr_t)size, at = 0;
    int r = 0;

    while (left && r == 0) {
        size_t n = left < PIECE ? (size_t)left : PIECE;

        r = co_write_all(in[1], much() + at, n, NULL);
        at += (intptr_t)n;
        left -= (intptr_t)n;
    }
    ck_assert_int_eq(co_close(in[1]), 0);
    return r;
}

/* Reads out[0] to the end; its result is how much there was. */
static int drink(void *unused)
{
    static char got[8192];
    uint64_t at = 0;
    ssize_t n;

    while ((n = co_read(out[0], got, sizeof(got))) > 0) {
        check_bytes(got, at, (size_t)n);
        at += (uint64_t)n;
    }
    ck_assert_int_eq(n, 0);
    (void)unused;
    return (int)at;
}

struct copy {
    uint64_t limit, copied;
    int result;
    co_task *task;
};

static int run_copy(void *arg)
{
    struct copy *copy = arg;

    copy->result = co_stream_copy(to, from, copy->limit, &copy->copied);
    return 0;
}

static void start_copy(struct copy *copy)
{
    *copy = (struct copy){.limit = CO_COPY_ALL, .result = 1};
    copy->task = co_test_spawn(run_copy, copy);
}

static int copy_waits(const struct copy *copy)
{
    return copy->task->state == CO__TASK_PARKED;
}

static void end_copy(struct copy *copy, int result)
{
    ck_assert_int_eq(co_test_result(copy->task), 0);
    ck_assert_int_eq(copy->result, result);
}

/* ---- all of it ----------------------------------------------------------- */

static void copy_of_kinds(enum kind source, enum kind sink)
{
    co_task *feeder, *drinker = NULL;
    uint64_t copied = 0;

    open_streams(source, sink);
    if (source == REGULAR) {
        feeder = co_test_spawn(feed, co_test_number(MUCH));
        ck_assert_int_eq(co_test_result(feeder), 0);
        ck_assert_int_eq(lseek(in[0], 0, SEEK_SET), 0);
        feeder = NULL;
    } else {
        feeder = co_test_spawn(feed, co_test_number(MUCH));
    }
    if (sink != REGULAR)
        drinker = co_test_spawn(drink, NULL);
    ck_assert_int_eq(co_stream_copy(to, from, CO_COPY_ALL, &copied), 0);
    ck_assert_uint_eq(copied, MUCH);
    ck_assert_uint_eq(from->bytes_read, MUCH);
    ck_assert_uint_eq(to->bytes_written, MUCH);
    if (have_splice())
        ck_assert_int_eq(pipe_was_used(), is_spliced(source, sink));
    if (feeder)
        ck_assert_int_eq(co_test_result(feeder), 0);
    if (sink == REGULAR) {
        ck_assert_int_eq(lseek(out[0], 0, SEEK_SET), 0);
        drinker = co_test_spawn(drink, NULL);
        ck_assert_int_eq(co_test_result(drinker), MUCH);
        drinker = NULL;
    }
    close_streams(source, sink);
    if (drinker)
        ck_assert_int_eq(co_test_result(drinker), MUCH);
    ck_assert_int_eq(co_close(out[0]), 0);
}

static int kinds;
static void every_byte_comes_in_task(void)
{
    copy_of_kinds((enum kind)(kinds / KINDS), (enum kind)(kinds % KINDS));
}

START_TEST(every_byte_comes)
{
    kinds = _i;
    co_test_in_task(every_byte_comes_in_task);
}
END_TEST

CO_TASK_TEST(what_both_have_buffered_goes_first)
{
    co_stream_options options = {.size = sizeof(options), .write_buffer = 4096};
    co_task *feeder, *drinker;
    uint64_t copied;
    const void *data;

    open_streams(TCP, TCP);
    ck_assert_int_eq(co_stream_detach(to, &out[1]), 0);
    to = co_stream_new(out[1], &options);
    ck_assert_ptr_nonnull(to);
    feeder = co_test_spawn(feed, co_test_number(MUCH));
    drinker = co_test_spawn(drink, NULL);
    ck_assert_int_ge(co_stream_peek(from, 20000, &data), 20000);
    ck_assert_int_eq(co_stream_write(to, data, 100, NULL), 0);
    ck_assert_int_eq(co_stream_skip(from, 100), 0);
    ck_assert_int_eq(co_stream_copy(to, from, CO_COPY_ALL, &copied), 0);
    ck_assert_uint_eq(copied, MUCH - 100);
    ck_assert_int_eq(co_test_result(feeder), 0);
    close_streams(TCP, TCP);
    ck_assert_int_eq(co_test_result(drinker), MUCH);
    ck_assert_int_eq(co_close(out[0]), 0);
}

/* The end comes before anything to copy. */
CO_TASK_TEST(copy_of_nothing_flushes)
{
    co_stream_options options = {.size = sizeof(options), .write_buffer = 4096};
    char got[5];

    open_streams(TCP, TCP);
    ck_assert_int_eq(co_stream_detach(to, &out[1]), 0);
    to = co_stream_new(out[1], &options);
    ck_assert_ptr_nonnull(to);
    ck_assert_int_eq(co_stream_write(to, "hello", 5, NULL), 0);
    ck_assert_int_eq(co_close(in[1]), 0);
    ck_assert_int_eq(co_stream_copy(to, from, CO_COPY_ALL, NULL), 0);
    ck_assert_int_eq(co_read_full(out[0], got, 5, NULL), 0);
    close_streams(TCP, TCP);
    ck_assert_int_eq(co_close(out[0]), 0);
}

CO_TASK_TEST(limit_is_kept_to_the_byte)
{
    static const uint64_t limits[] = {1, 100000, 65536, 3, 200001};
    co_task *feeder, *drinker;
    uint64_t sum = 0, copied;
    char byte;

    open_streams(TCP, UNIX);
    feeder = co_test_spawn(feed, co_test_number(MUCH));
    drinker = co_test_spawn(drink, NULL);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        ck_assert_int_eq(co_stream_copy(to, from, limits[i], &copied), 0);
        ck_assert_uint_eq(copied, limits[i]);
        sum += copied;
        ck_assert_uint_eq(to->bytes_written, sum);
    }
    ck_assert_int_eq(co_stream_read(from, &byte, 1), 1);
    check_bytes(&byte, sum, 1);
    ck_assert_int_eq(co_stream_write(to, &byte, 1, NULL), 0);
    ck_assert_int_eq(co_stream_copy(to, from, CO_COPY_ALL, &copied), 0);
    ck_assert_uint_eq(copied, MUCH - sum - 1);
    ck_assert_int_eq(co_test_result(feeder), 0);
    close_streams(TCP, UNIX);
    ck_assert_int_eq(co_test_result(drinker), MUCH);
    ck_assert_int_eq(co_close(out[0]), 0);
}

/* ---- interrupted --------------------------------------------------------- */

static const struct {
    enum kind source, sink;
} both[] = {{TCP, TCP},   {TCP, PIPE},    {PIPE, TCP},      {PIPE, PIPE},
            {UNIX, UNIX}, {REGULAR, TCP}, {REGULAR, PIPE},  {TCP, FUNCTIONS},
            {TCP, UNIX},  {UNIX, PIPE},   {FUNCTIONS, PIPE}};
#define BOTH ((int)(sizeof(both) / sizeof(both[0])))

static enum kind source, sink;
static co_task *feeder;

static void open_both(int i)
{
    source = both[i].source;
    sink = both[i].sink;
    open_streams(source, sink);
    feeder = co_test_spawn(feed, co_test_number(MUCH));
    if (source == REGULAR) {
        ck_assert_int_eq(co_test_result(feeder), 0);
        ck_assert_int_eq(lseek(in[0], 0, SEEK_SET), 0);
        feeder = NULL;
    }
}

/* Nobody reads: until the copy waits for room, and the feeder too, or it has
 * ended. */
static void wait_until_full(const struct copy *copy)
{
    for (int quiet = 0; quiet < 20; quiet++) {
        uint64_t before = to->bytes_written + from->bytes_read;

        ck_assert_int_eq(co_sleep(CO_MS / 2), 0);
        if (to->bytes_written + from->bytes_read != before || !copy_waits(copy))
            quiet = 0;
    }
    ck_assert_uint_lt(copy->copied, MUCH);
}

/* Everything that the copy says was taken arrives, and what it did not take is
 * read from the first stream. */
static void check_rest(const struct copy *copy)
{
    static char got[MUCH];
    uint64_t taken = copy->copied, at = taken;
    ssize_t n;

    ck_assert_uint_eq(to->bytes_written, taken);
    ck_assert_int_eq(co_read_full(out[0], got, taken, NULL), 0);
    check_bytes(got, 0, taken);
    while ((n = co_stream_read(from, got, at % 2 ? 777 : 5000)) > 0) {
        check_bytes(got, at, (size_t)n);
        at += (uint64_t)n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(at, MUCH);
    ck_assert_uint_eq(from->bytes_read, MUCH);
    ck_assert_ptr_null(from->piped);
    if (feeder)
        ck_assert_int_eq(co_test_result(feeder), 0);
    close_streams(source, sink);
    ck_assert_int_eq(co_read(out[0], got, 1), 0);
    ck_assert_int_eq(co_close(out[0]), 0);
}

#define BOTH_TEST(name)                                                        \
    static void name##_in_task(void);                                          \
    START_TEST(name)                                                           \
    {                                                                          \
        kinds = _i;                                                            \
        co_test_in_task(name##_in_task);                                       \
    }                                                                          \
    END_TEST                                                                   \
    static void name##_in_task(void)

BOTH_TEST(cancelled_while_it_waits_for_room_it_loses_nothing)
{
    struct copy copy;

    open_both(kinds);
    start_copy(&copy);
    wait_until_full(&copy);
    ck_assert_int_eq(co_cancel(copy.task), 1);
    end_copy(&copy, -ECANCELED);
    ck_assert_uint_gt(copy.copied, 0);
    if (have_splice() && is_spliced(source, sink))
        ck_assert_ptr_nonnull(from->piped);
    check_rest(&copy);
}

static int run_copy_for_a_while(void *arg)
{
    struct copy *copy = arg;

    co_timeout(20 * CO_MS)
        run_copy(copy);
    return 0;
}

BOTH_TEST(out_of_time_while_it_waits_for_room_it_loses_nothing)
{
    struct copy copy = {.limit = CO_COPY_ALL, .result = 1};

    open_both(kinds);
    copy.task = co_test_spawn(run_copy_for_a_while, &copy);
    end_copy(&copy, -ETIMEDOUT);
    check_rest(&copy);
}

/* A second copy goes on with what the first has left in the pipe. */
BOTH_TEST(another_copy_goes_on)
{
    struct copy copy, next = {.result = 1};
    co_task *drinker;

    open_both(kinds);
    start_copy(&copy);
    wait_until_full(&copy);
    ck_assert_int_eq(co_cancel(copy.task), 1);
    end_copy(&copy, -ECANCELED);
    drinker = co_test_spawn(drink, NULL);
    next.limit = 5;
    run_copy(&next);
    ck_assert_int_eq(next.result, 0);
    ck_assert_uint_eq(next.copied, 5);
    next.limit = CO_COPY_ALL;
    run_copy(&next);
    ck_assert_int_eq(next.result, 0);
    ck_assert_uint_eq(next.copied, MUCH - copy.copied - 5);
    if (feeder)
        ck_assert_int_eq(co_test_result(feeder), 0);
    close_streams(source, sink);
    ck_assert_int_eq(co_test_result(drinker), MUCH);
    ck_assert_int_eq(co_close(out[0]), 0);
}

static size_t drunk;

/* Take some out until the copy has been made ready by that, or is. */
static void make_room_for(const struct copy *copy)
{
    static char got[4096];

    for (int i = 0; i < 100000 && copy_waits(copy); i++) {
        ssize_t n = read(out[0], got, sizeof(got));

        if (n > 0) {
            check_bytes(got, drunk, (size_t)n);
            drunk += (size_t)n;
        }
        collect_events();
    }
    ck_assert(!copy_waits(copy));
}

/* Woken first and cancelled then: it writes, and its next wait fails. The
 * other way round it writes nothing. */
static void cancel_and_wake(int wake_first)
{
    static char got[MUCH];
    struct copy copy;
    uint64_t before;

    drunk = 0;
    open_both(kinds);
    start_copy(&copy);
    wait_until_full(&copy);
    before = to->bytes_written;
    if (wake_first)
        make_room_for(&copy);
    ck_assert_int_eq(co_cancel(copy.task), 1);
    if (!wake_first) {
        take(out[0], 8192);
        drunk += 8192;
        collect_events();
    }
    end_copy(&copy, -ECANCELED);
    if (wake_first)
        ck_assert_uint_gt(copy.copied, before);
    else if (sink != FUNCTIONS) /* the kernel may have been faster there */
        ck_assert_uint_eq(copy.copied, before);
    /* check_rest reads from the first byte on. */
    ck_assert_int_eq(co_read_full(out[0], got, copy.copied - drunk, NULL), 0);
    check_bytes(got, drunk, copy.copied - drunk);
    ck_assert_int_ge(co_stream_read(from, got, 1000), 1);
    check_bytes(got, copy.copied, 1);
    while (co_stream_read(from, got, sizeof(got)) > 0)
        continue;
    ck_assert_uint_eq(from->bytes_read, MUCH);
    if (feeder)
        ck_assert_int_eq(co_test_result(feeder), 0);
    close_streams(source, sink);
    ck_assert_int_eq(co_close(out[0]), 0);
}

BOTH_TEST(woken_and_then_cancelled_it_writes_and_loses_nothing)
{
    cancel_and_wake(1);
}

BOTH_TEST(cancelled_and_then_woken_it_loses_nothing)
{
    cancel_and_wake(0);
}

/* ---- while it waits for more --------------------------------------------- */

/* What comes makes it use the pipe, and then there is nothing more. */
static void copy_some_and_wait(struct copy *copy, co_task **drinker)
{
    start_copy(copy);
    *drinker = co_test_spawn(drink, NULL);
    ck_assert_int_eq(co_write_all(in[1], much(), 200000, NULL), 0);
    while (to->bytes_written < 200000)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    while (!copy_waits(copy))
        co_test_yield();
    ck_assert_ptr_null(from->piped);
}

static const enum kind channels[] = {TCP, UNIX, PIPE};

static void open_channel(int i)
{
    source = channels[i];
    sink = TCP;
    open_streams(source, sink);
}

static void end_channel(co_task *drinker, int total)
{
    close_streams(source, sink);
    ck_assert_int_eq(co_test_result(drinker), total);
    ck_assert_int_eq(co_close(out[0]), 0);
}

BOTH_TEST(cancelled_while_it_waits_for_more_it_has_taken_nothing)
{
    struct copy copy;
    co_task *drinker;
    char byte;

    open_channel(kinds);
    copy_some_and_wait(&copy, &drinker);
    ck_assert_int_eq(co_cancel(copy.task), 1);
    ck_assert_int_eq(co_write_all(in[1], much() + 200000, 1, NULL), 0);
    collect_events();
    end_copy(&copy, -ECANCELED);
    ck_assert_uint_eq(copy.copied, 200000);
    ck_assert_int_eq(co_stream_read(from, &byte, 1), 1);
    check_bytes(&byte, 200000, 1);
    ck_assert_int_eq(co_close(in[1]), 0);
    end_channel(drinker, 200000);
}

/* What it was woken for it takes; that it cannot write any more. */
BOTH_TEST(woken_by_more_and_then_cancelled_it_keeps_what_came)
{
    static char got[70000];
    struct copy copy;
    co_task *drinker;
    uint64_t at;
    ssize_t n;

    open_channel(kinds);
    copy_some_and_wait(&copy, &drinker);
    ck_assert_int_eq(co_write_all(in[1], much() + 200000, 50000, NULL), 0);
    while (copy_waits(&copy))
        collect_events();
    ck_assert_int_eq(co_cancel(copy.task), 1);
    end_copy(&copy, -ECANCELED);
    ck_assert_int_eq(co_close(in[1]), 0);
    at = copy.copied;
    while ((n = co_stream_read(from, got, 10)) > 0) {
        check_bytes(got, at, (size_t)n);
        at += (uint64_t)n;
    }
    ck_assert_uint_eq(at, 250000);
    end_channel(drinker, (int)copy.copied);
}

BOTH_TEST(copy_that_waits_for_more_has_no_pipe)
{
    struct copy copy;
    co_task *drinker;

    open_channel(kinds);
    copy_some_and_wait(&copy, &drinker);
    ck_assert_ptr_null(from->piped);
    ck_assert_ptr_null(from->in);
    if (have_splice())
        ck_assert_ptr_nonnull(co_loop_running()->fds->spare);
    ck_assert_int_eq(co_close(in[1]), 0);
    end_copy(&copy, 0);
    end_channel(drinker, 200000);
}

/* The source has nothing more, so a read that looked there would wait. */
BOTH_TEST(what_is_in_the_pipe_is_read_without_waiting)
{
    static const size_t firsts[] = {100, 5000, 0};
    static char got[6000];
    const void *data;

    open_channel(kinds);
    for (int i = 0; i < 3; i++) {
        size_t first = firsts[i];

        ck_assert_int_eq(co_write_all(in[1], much(), sizeof(got), NULL), 0);
        if (have_splice()) {
            while (nothing_there(in[0]))
                continue;
            ck_assert_int_eq(co_mutex_lock(&from->reading), 0);
            ck_assert_int_eq(co__stream_pipe_in(from, SIZE_MAX), sizeof(got));
            co_mutex_unlock(&from->reading);
        }
        co_timeout(10 * CO_SEC) {
            if (first)
                ck_assert_int_eq(co_stream_read(from, got, first), first);
            else
                ck_assert_int_eq(co_stream_peek(from, sizeof(got), &data),
                                 sizeof(got));
            ck_assert_int_eq(co_stream_read_exactly(from, got + first,
                                                    sizeof(got) - first, NULL),
                             0);
        }
        check_bytes(got, 0, sizeof(got));
        ck_assert_ptr_null(from->piped);
    }
    ck_assert_uint_eq(from->bytes_read, 18000);
    ck_assert_int_eq(co_close(in[1]), 0);
    close_streams(source, sink);
    ck_assert_int_eq(co_close(out[0]), 0);
}

/* ---- errors -------------------------------------------------------------- */

BOTH_TEST(what_a_writer_that_failed_has_not_taken_can_be_read)
{
    static char got[MUCH];
    struct copy copy;
    uint64_t at;
    ssize_t n;

    open_both(kinds);
    start_copy(&copy);
    wait_until_full(&copy);
    ck_assert_int_eq(co_close(out[0]), 0);
    ck_assert_int_eq(co_test_result(copy.task), 0);
    ck_assert(copy.result == -EPIPE || copy.result == -ECONNRESET);
    at = copy.copied;
    while ((n = co_stream_read(from, got, sizeof(got))) > 0) {
        check_bytes(got, at, (size_t)n);
        at += (uint64_t)n;
    }
    ck_assert_uint_eq(at, MUCH);
    if (feeder)
        ck_assert_int_eq(co_test_result(feeder), 0);
    close_streams(source, sink);
}

CO_TASK_TEST(reset_of_the_source_is_an_error_and_not_the_end)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct copy copy;
    co_task *drinker;

    open_channel(0);
    copy_some_and_wait(&copy, &drinker);
    ck_assert_int_eq(
        setsockopt(in[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    ck_assert_int_eq(co_close(in[1]), 0);
    end_copy(&copy, -ECONNRESET);
    ck_assert_uint_eq(copy.copied, 200000);
    end_channel(drinker, 200000);
}

/* A pipe of ours could not be filled beyond it, for ever. */
CO_TASK_TEST(urgent_byte_does_not_stop_it)
{
    struct copy copy;
    co_task *drinker;

    open_channel(0);
    copy_some_and_wait(&copy, &drinker);
    ck_assert_int_eq(send(in[1], "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(co_write_all(in[1], much() + 200000, 100000, NULL), 0);
    while (to->bytes_written < 300000)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    ck_assert_int_eq(send(in[1], "?", 1, MSG_OOB), 1);
    ck_assert_int_eq(co_close(in[1]), 0);
    end_copy(&copy, 0);
    ck_assert_uint_eq(copy.copied, 300000);
    end_channel(drinker, 300000);
}

CO_TASK_TEST(of_the_last_descriptors_no_pipe_is_made)
{
    struct rlimit old, few;
    struct copy copy;
    co_task *drinker;

    open_streams(TCP, TCP);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = (rlim_t)out[1] + 4;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    feeder = co_test_spawn(feed, co_test_number(MUCH));
    drinker = co_test_spawn(drink, NULL);
    start_copy(&copy);
    while (to->bytes_written < MUCH / 2)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    ck_assert_int_eq(pipe_was_used(), 0);
    end_copy(&copy, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(co_test_result(feeder), 0);
    close_streams(TCP, TCP);
    ck_assert_int_eq(co_test_result(drinker), MUCH);
    ck_assert_int_eq(co_close(out[0]), 0);
}

/* ---- closed by another task ---------------------------------------------- */

BOTH_TEST(first_stream_closed_while_it_waits_for_room)
{
    struct copy copy;
    co_task *drinker;

    open_both(kinds);
    start_copy(&copy);
    wait_until_full(&copy);
    (void)co_stream_close(from);
    drinker = co_test_spawn(drink, NULL);
    end_copy(&copy, -EBADF);
    if (feeder)
        ck_assert_int_lt(co_test_result(feeder), 0);
    (void)co_stream_close(to);
    ck_assert_uint_eq((uint64_t)co_test_result(drinker), copy.copied);
    ck_assert_int_eq(co_close(out[0]), 0);
}

BOTH_TEST(second_stream_closed_while_it_waits_for_room)
{
    struct copy copy;

    open_both(kinds);
    start_copy(&copy);
    wait_until_full(&copy);
    co_stream_abort(to);
    end_copy(&copy, -EBADF);
    (void)co_stream_close(from);
    if (feeder)
        ck_assert_int_lt(co_test_result(feeder), 0);
    ck_assert_int_eq(co_close(out[0]), 0);
}

BOTH_TEST(first_stream_closed_while_it_waits_for_more)
{
    struct copy copy;
    co_task *drinker;

    open_channel(kinds);
    copy_some_and_wait(&copy, &drinker);
    ck_assert_int_eq(co_stream_close(from), 0);
    end_copy(&copy, -EBADF);
    ck_assert_int_eq(co_close(in[1]), 0);
    ck_assert_int_eq(co_stream_close(to), 0);
    ck_assert_int_eq(co_test_result(drinker), 200000);
    ck_assert_int_eq(co_close(out[0]), 0);
}

/* ---- a proxy ------------------------------------------------------------- */

static uint64_t proxied, proxy_sent, proxy_taken, under_way_most;

static int feed_proxy(void *unused)
{
    while (proxy_sent < proxied) {
        size_t at = proxy_sent % MUCH;
        uint64_t left = proxied - proxy_sent;
        size_t n = MUCH - at < 100000 ? MUCH - at : 100000;
        ssize_t w = co_write(in[1], much() + at, n < left ? n : (size_t)left);

        ck_assert_int_gt(w, 0);
        proxy_sent += (uint64_t)w;
        if (proxy_sent - proxy_taken > under_way_most)
            under_way_most = proxy_sent - proxy_taken;
    }
    ck_assert_int_eq(co_close(in[1]), 0);
    (void)unused;
    return 0;
}

static long resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size, resident = 0;

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

/* A gibibyte, less where everything is slow. What is under way is no more than
 * what the sockets and a pipe hold, and the process does not grow. */
CO_TASK_TEST(slow_reader_behind_a_proxy_does_not_fill_the_memory)
{
    enum {
        PAUSES = 256
    };
    static char got[256 * 1024];
    struct copy copy;
    long before = 0, most = 0;
    ssize_t n;

    proxied = (uint64_t)co_test_scale(1024, 16) << 20;
    proxy_sent = proxy_taken = under_way_most = 0;
    open_streams(TCP, TCP);
    feeder = co_test_spawn(feed_proxy, NULL);
    start_copy(&copy);
    while (proxy_taken < proxied) {
        size_t at = proxy_taken % MUCH;
        size_t piece = MUCH - at < sizeof(got) ? MUCH - at : sizeof(got);

        if (proxy_taken * PAUSES / proxied !=
            (proxy_taken + piece) * PAUSES / proxied) {
            long now = resident_bytes();

            /* So long that all is full. */
            ck_assert_int_eq(co_sleep(CO_MS), 0);
            if (proxy_taken * 8 < proxied)
                before = now;
            most = now > most ? now : most;
        }
        n = co_read(out[0], got, piece);
        ck_assert_int_gt(n, 0);
        check_bytes(got, at, (size_t)n);
        proxy_taken += (uint64_t)n;
    }
    end_copy(&copy, 0);
    ck_assert_uint_eq(copy.copied, proxied);
    ck_assert_int_eq(co_test_result(feeder), 0);
    ck_assert_uint_lt(under_way_most, 4 * 2 * BUFFERS + CO__PIPEFUL_MAX);
    if (!CO_TEST_SLOW)
        ck_assert_int_lt(most - before, 512 * 1024);
    close_streams(TCP, TCP);
    ck_assert_int_eq(co_read(out[0], got, 1), 0);
    ck_assert_int_eq(co_close(out[0]), 0);
}

static Suite *suite(void)
{
    enum {
        CHANNELS = sizeof(channels) / sizeof(channels[0])
    };
    Suite *s = suite_create("io.splice");
    TCase *all = tcase_create("all"), *part = tcase_create("interrupted"),
          *ends = tcase_create("errors and ends"),
          *proxy = tcase_create("proxy");

    co_test_check_fds(all);
    tcase_add_loop_test(all, every_byte_comes, 0, KINDS * KINDS);
    tcase_add_test(all, what_both_have_buffered_goes_first);
    tcase_add_test(all, copy_of_nothing_flushes);
    tcase_add_test(all, limit_is_kept_to_the_byte);
    suite_add_tcase(s, all);

    co_test_check_fds(part);
    tcase_add_loop_test(
        part, cancelled_while_it_waits_for_room_it_loses_nothing, 0, BOTH);
    tcase_add_loop_test(
        part, out_of_time_while_it_waits_for_room_it_loses_nothing, 0, BOTH);
    tcase_add_loop_test(part, another_copy_goes_on, 0, BOTH);
    tcase_add_loop_test(
        part, woken_and_then_cancelled_it_writes_and_loses_nothing, 0, BOTH);
    tcase_add_loop_test(part, cancelled_and_then_woken_it_loses_nothing, 0,
                        BOTH);
    tcase_add_loop_test(part,
                        cancelled_while_it_waits_for_more_it_has_taken_nothing,
                        0, CHANNELS);
    tcase_add_loop_test(
        part, woken_by_more_and_then_cancelled_it_keeps_what_came, 0, CHANNELS);
    tcase_add_loop_test(part, copy_that_waits_for_more_has_no_pipe, 0,
                        CHANNELS);
    tcase_add_loop_test(part, what_is_in_the_pipe_is_read_without_waiting, 0,
                        CHANNELS);
    suite_add_tcase(s, part);

    co_test_check_fds(ends);
    tcase_add_loop_test(
        ends, what_a_writer_that_failed_has_not_taken_can_be_read, 0, BOTH);
    tcase_add_test(ends, reset_of_the_source_is_an_error_and_not_the_end);
    tcase_add_test(ends, urgent_byte_does_not_stop_it);
    tcase_add_test(ends, of_the_last_descriptors_no_pipe_is_made);
    tcase_add_loop_test(ends, first_stream_closed_while_it_waits_for_room, 0,
                        BOTH);
    tcase_add_loop_test(ends, second_stream_closed_while_it_waits_for_room, 0,
                        BOTH);
    tcase_add_loop_test(ends, first_stream_closed_while_it_waits_for_more, 0,
                        CHANNELS);
    suite_add_tcase(s, ends);

    co_test_check_fds(proxy);
    tcase_set_timeout(proxy, 60);
    tcase_add_test(proxy, slow_reader_behind_a_proxy_does_not_fill_the_memory);
    suite_add_tcase(s, proxy);
    return s;
}

CO_TEST_MAIN(suite)
