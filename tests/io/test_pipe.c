/* SPDX-License-Identifier: MIT */
/* Pipes of our own; and streams over pipes and terminals of others, whose flags
 * never change. */
#include "io_support.h"

#include <coppice/pipe.h>
#include <coppice/stream.h>

#include "base/alloc.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <termios.h>

/* ---- co_pipe ------------------------------------------------------------- */

CO_TASK_TEST(what_is_written_is_read)
{
    struct call reader = {.len = 64};
    int fds[2];

    ck_assert_int_eq(co_pipe(fds), 0);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert(call_waits(&reader));
    ck_assert_int_eq(co_write(fds[1], "hello", 5), 5);
    ck_assert_int_eq(call_result(&reader), 5);
    ck_assert_mem_eq(reader.buffer, "hello", 5);
    ck_assert_int_eq(co_close(fds[1]), 0);
    ck_assert_int_eq(co_read(fds[0], reader.buffer, 64), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(the_ends_are_ours)
{
    int fds[2];

    ck_assert_int_eq(co_pipe(fds), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_ne(fcntl(fds[i], F_GETFL) & O_NONBLOCK, 0);
        ck_assert_int_ne(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, 0);
        ck_assert_int_eq(co_adopt(fds[i]), -EALREADY);
    }
    /* A writer that has filled it is known to have done so. */
    fill(fds[1]);
    ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), CO_READABLE);
    close_pair(fds);
}

struct transfer {
    int fd;
    size_t len;
};

static int write_much(void *arg)
{
    struct transfer *t = arg;
    char *data = calloc(1, t->len);
    int r = co_write_all(t->fd, data, t->len, NULL);

    free(data);
    return r < 0 ? r : co_close(t->fd);
}

CO_TASK_TEST(more_than_fits_waits_for_the_reader)
{
    static char buffer[50000];
    struct transfer t = {.len = 1000000};
    size_t total = 0;
    co_task *writer;
    int fds[2];
    ssize_t n;

    ck_assert_int_eq(co_pipe(fds), 0);
    t.fd = fds[1];
    writer = co_test_spawn(write_much, &t);
    while ((n = co_read(fds[0], buffer, sizeof(buffer))) > 0)
        total += (size_t)n;
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(total, t.len);
    ck_assert_int_eq(co_test_result(writer), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(a_reader_that_has_gone_is_epipe)
{
    int fds[2];

    ck_assert_int_eq(co_pipe(fds), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(co_write(fds[1], "x", 1), -EPIPE);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

CO_TASK_TEST(a_pipe_that_cannot_be_made_leaves_nothing)
{
    struct rlimit limit, none;
    int fds[2] = {-7, -8};

    ck_assert_int_eq(co_pipe(NULL), -EINVAL);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(co_pipe(fds), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(fds[0], -7);
    ck_assert_int_eq(fds[1], -8);
}

START_TEST(a_pipe_needs_no_loop)
{
    char byte;
    int fds[2];

    ck_assert_int_eq(co_pipe(fds), 0);
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(co_read(fds[0], &byte, 1), 1);
    close_pair(fds);
}
END_TEST

/* ---- borrowed by a stream ------------------------------------------------ */

static co_stream *borrow(int fd)
{
    co_stream_options options = {.size = sizeof(options), .borrow = 1};
    co_stream *stream = co_stream_new(fd, &options);

    ck_assert_ptr_nonnull(stream);
    return stream;
}

static int flags_of(int fd)
{
    return fcntl(fd, F_GETFL);
}

struct line {
    co_stream *stream;
    ssize_t result;
    char text[64];
};

static int read_line(void *arg)
{
    struct line *line = arg;

    line->result =
        co_stream_read_line(line->stream, line->text, sizeof(line->text));
    return 0;
}

static int terminal(int *slave)
{
    struct termios settings;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    *slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(*slave, 0);
    ck_assert_int_eq(tcgetattr(*slave, &settings), 0);
    settings.c_lflag &= ~(tcflag_t)ECHO;
    ck_assert_int_eq(tcsetattr(*slave, TCSANOW, &settings), 0);
    return master;
}

/* As standard input of a shell's job is: a description that others share, whose
 * O_NONBLOCK would be theirs. */
CO_TASK_TEST(a_stream_over_a_terminal_leaves_it_as_it_is)
{
    int slave, master = terminal(&slave);
    int shared = dup(slave);
    int before = flags_of(shared);
    co_stream *stream = borrow(slave);
    char back[16];

    for (int i = 0; i < 3; i++) {
        struct line line = {.stream = stream};
        co_task *task = co_test_spawn(read_line, &line);

        co_test_yield();
        ck_assert_int_eq(task->state, CO__TASK_PARKED);
        ck_assert_int_eq(flags_of(shared), before);
        ck_assert_int_eq(co_write(master, "hello\n", 6), 6);
        ck_assert_int_eq(co_test_result(task), 0);
        ck_assert_int_eq(line.result, 5);
        ck_assert_str_eq(line.text, "hello");
        ck_assert_int_eq(co_stream_write(stream, "reply", 5, NULL), 0);
        ck_assert_int_eq(co_read_full(master, back, 5, NULL), 0);
        ck_assert_int_eq(flags_of(shared), before);
    }
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(flags_of(slave), before); /* and it is open */
    ck_assert_int_eq(co_close(slave), 0);
    ck_assert_int_eq(co_close(shared), 0);
    ck_assert_int_eq(co_close(master), 0);
}

CO_TASK_TEST(a_terminal_in_raw_mode_gives_what_is_there)
{
    int slave, master = terminal(&slave);
    co_stream *stream = borrow(slave);
    struct termios settings;
    char got[16];

    ck_assert_int_eq(tcgetattr(slave, &settings), 0);
    cfmakeraw(&settings);
    ck_assert_int_eq(tcsetattr(slave, TCSANOW, &settings), 0);
    ck_assert_int_eq(co_write(master, "k", 1), 1);
    ck_assert_int_eq(co_stream_read(stream, got, sizeof(got)), 1);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_stream_read(stream, got, sizeof(got)), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_close(master), 0); /* it hangs up */
    ck_assert_int_le(co_stream_read(stream, got, sizeof(got)), 0);
    co_stream_abort(stream);
    ck_assert_int_eq(co_close(slave), 0);
}

static void close_ends_reads(void (*end)(co_stream *))
{
    struct line line;
    co_task *task;
    int fds[2];

    foreign_pipe(fds);
    line.stream = borrow(fds[0]);
    task = co_test_spawn(read_line, &line);
    co_test_yield();
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    end(line.stream);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(line.result, -EBADF);
    ck_assert_int_eq(flags_of(fds[0]) & O_NONBLOCK, 0);
    ck_assert_int_eq(co_write(fds[1], "still", 5), 5);
    ck_assert_int_eq(co_read(fds[0], line.text, sizeof(line.text)), 5);
    close_pair(fds);
}

static void close_stream(co_stream *stream)
{
    ck_assert_int_eq(co_stream_close(stream), 0);
}

CO_TASK_TEST(what_was_borrowed_stays_open)
{
    co_stream_options options = {.size = sizeof(options), .borrow = 1};

    close_ends_reads(close_stream);
    close_ends_reads(co_stream_abort);
    errno = 0;
    ck_assert_ptr_null(co_stream_new(-1, &options));
    ck_assert_int_eq(errno, EBADF);
}

/* -------------------------------------------------------------------------- */

static Suite *suite(void)
{
    Suite *s = suite_create("pipe");
    TCase *tc = tcase_create("pipe");

    co_test_check_fds(tc);
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, the_ends_are_ours);
    tcase_add_test(tc, more_than_fits_waits_for_the_reader);
    tcase_add_test(tc, a_reader_that_has_gone_is_epipe);
    tcase_add_test(tc, a_pipe_that_cannot_be_made_leaves_nothing);
    tcase_add_test(tc, a_pipe_needs_no_loop);
    tcase_add_test(tc, a_stream_over_a_terminal_leaves_it_as_it_is);
    tcase_add_test(tc, a_terminal_in_raw_mode_gives_what_is_there);
    tcase_add_test(tc, what_was_borrowed_stays_open);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
