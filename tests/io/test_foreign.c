/* SPDX-License-Identifier: MIT */
/* Descriptors that Coppice did not make are never changed, and never block the
 * thread where that can be avoided. */
#include "io_support.h"

#include <coppice/scope.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>

static int flags_of(int fd)
{
    return fcntl(fd, F_GETFL);
}

/* Whether the thread was blocked shows in this: it counts turns meanwhile. */
static atomic_int ticks;
static int ticking;

static int tick(void *unused)
{
    (void)unused;
    for (ticks = 0; ticking; ticks++)
        if (co_sleep(CO_MS / 10) < 0)
            break;
    return 0;
}

static co_task *ticker_start(void)
{
    ticking = 1;
    return co_test_spawn(tick, NULL);
}

static void ticker_stop(co_task *ticker)
{
    ticking = 0;
    ck_assert_int_eq(co_test_result(ticker), 0);
    ck_assert_int_gt(ticks, 0);
}

/* A thread that reads a descriptor dry, once a task has got to run. */
struct reader {
    pthread_t thread;
    int fd;
    size_t total;
};

static void *read_late(void *arg)
{
    struct reader *reader = arg;
    char buffer[4096];
    ssize_t n;

    while (ticks < 5)
        usleep(100);
    while ((n = read(reader->fd, buffer, sizeof(buffer))) > 0)
        reader->total += (size_t)n;
    return NULL;
}

/* ---- pipes and sockets --------------------------------------------------- */

CO_TASK_TEST(blocking_pipe_stays_blocking)
{
    struct call reader = {.len = 64}, writer = {.len = 1};
    int fds[2], before[2];

    foreign_pipe(fds);
    before[0] = flags_of(fds[0]);
    before[1] = flags_of(fds[1]);
    ck_assert_int_eq(before[0] & O_NONBLOCK, 0);
    reader.fd = fds[0];
    writer.fd = fds[1];
    call_start(&reader, call_read);
    ck_assert_int_eq(flags_of(fds[0]), before[0]);
    ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
    ck_assert_int_eq(call_result(&reader), 3);
    fill(fds[1]);
    call_start(&writer, call_write);
    ck_assert(call_waits(&writer));
    ck_assert_int_eq(flags_of(fds[1]), before[1]);
    drain_filled(fds[0]);
    ck_assert_int_eq(call_result(&writer), 1);
    ck_assert_int_eq(flags_of(fds[0]), before[0]);
    ck_assert_int_eq(flags_of(fds[1]), before[1]);
    close_pair(fds);
}

CO_TASK_TEST(large_write_to_a_blocking_pipe_does_not_block_the_thread)
{
    static char data[1 << 20];
    struct reader reader = {.total = 0};
    co_task *ticker = ticker_start();
    size_t done;
    int fds[2];

    foreign_pipe(fds);
    reader.fd = fds[0];
    pthread_create(&reader.thread, NULL, read_late, &reader);
    ck_assert_int_eq(co_write_all(fds[1], data, sizeof(data), &done), 0);
    ck_assert_uint_eq(done, sizeof(data));
    ck_assert_int_eq(co_close(fds[1]), 0);
    pthread_join(reader.thread, NULL);
    ck_assert_uint_eq(reader.total, sizeof(data));
    ck_assert_int_eq(co_close(fds[0]), 0);
    ticker_stop(ticker);
}

CO_TASK_TEST(blocking_listener_stays_blocking)
{
    int own = co_tcp_listen("127.0.0.1:0", 0), listener, before, conn;
    struct call acceptor;
    co_addr addr;
    int fd;

    ck_assert_int_eq(co_addr_tcp(bound_to(own), &addr), 0);
    listener = dup(own);
    ck_assert_int_eq(co_close(own), 0);
    ck_assert_int_eq(fcntl(listener, F_SETFL, flags_of(listener) & ~O_NONBLOCK),
                     0);
    before = flags_of(listener);
    acceptor.fd = listener;
    acceptor.log = NULL;
    call_start(&acceptor, call_accept);
    ck_assert(call_waits(&acceptor));
    ck_assert_int_eq(flags_of(listener), before);

    fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(co_connect(fd, &addr.as.any, addr.len), 0);
    ck_assert_int_eq(flags_of(fd) & O_NONBLOCK, 0);
    ck_assert_int_ge(call_result(&acceptor), 0);
    conn = (int)acceptor.result;
    ck_assert_int_eq(flags_of(listener), before);
    /* What is accepted is ours, whoever made the listener. */
    ck_assert(flags_of(conn) & O_NONBLOCK);
    ck_assert_int_eq(co_adopt(conn), -EALREADY);
    ck_assert_int_eq(co_write(fd, "x", 1), 1);
    ck_assert_int_eq(co_read(conn, acceptor.buffer, 8), 1);
    ck_assert_int_eq(flags_of(fd) & O_NONBLOCK, 0);
    ck_assert_int_eq(co_close(conn), 0);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_close(listener), 0);
}

/* The number is closed and reused behind our back, for another kind. */
CO_TASK_TEST(plainly_closed_and_reused_number_is_what_it_is_now)
{
    struct call reader = {.len = 64};
    int fds[2];

    for (int i = 0; i < 6; i++) {
        (i & 1 ? foreign_pipe : foreign_socket_pair)(fds);
        reader.fd = fds[0];
        /* Leave it armed, with the event not collected. */
        co_timeout(CO_MS)
            ck_assert_int_eq(co_read(fds[0], reader.buffer, 1), -ETIMEDOUT);
        call_start(&reader, call_read);
        ck_assert(call_waits(&reader));
        ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
        ck_assert_int_eq(call_result(&reader), 3);
        co_timeout(CO_MS)
            ck_assert_int_eq(co_read(fds[0], reader.buffer, 1), -ETIMEDOUT);
        close(fds[0]);
        close(fds[1]);
    }
}

/* Other readers of the same pipe may be faster: it is no error. */
CO_TASK_TEST(descriptor_shared_with_another_reader)
{
    struct call reader = {.len = 64};
    int fds[2], other;
    char byte;

    foreign_pipe(fds);
    other = dup(fds[0]);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        collect_events();
        ck_assert_int_eq(read(other, &byte, 1), 1);
        co_test_yield();
        ck_assert(call_waits(&reader));
    }
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&reader), 1);
    /* The dup keeps the description; closing one number is no end. */
    call_start(&reader, call_read);
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(call_result(&reader), -EBADF);
    reader.fd = other;
    call_start(&reader, call_read);
    ck_assert_int_eq(write(fds[1], "yz", 2), 2);
    ck_assert_int_eq(call_result(&reader), 2);
    close(other);
    close(fds[1]);
}

/* ---- terminals ----------------------------------------------------------- */

static int pty_open(int *slave)
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

CO_TASK_TEST(terminal_stays_as_it_is)
{
    struct call reader = {.len = 64};
    int slave, master = pty_open(&slave);
    int before = flags_of(slave);

    for (int i = 0; i < 3; i++) {
        reader.fd = slave;
        call_start(&reader, call_read);
        ck_assert(call_waits(&reader));
        ck_assert_int_eq(co_write(master, "line\n", 5), 5);
        ck_assert_int_eq(call_result(&reader), 5);
        ck_assert_int_eq(co_write(slave, "reply", 5), 5);
        ck_assert_int_eq(co_read(master, reader.buffer, 64), 5);
        ck_assert_int_eq(flags_of(slave), before);
    }
    ck_assert_int_eq(co_close(slave), 0);
    ck_assert_int_eq(co_read(master, reader.buffer, 64), -EIO);
    ck_assert_int_eq(co_close(master), 0);
}

static int read_lines(void *arg)
{
    struct call *call = arg;
    size_t total = 0;

    while (total < call->len) {
        ssize_t n = co_read(call->fd, call->buffer, sizeof(call->buffer));

        if (n < 0)
            return (int)n;
        total += (size_t)n;
        if (total % 3 == 0)
            co_yield_now();
    }
    return 0;
}

/* Reader and writer are on one thread: if a write blocked, nobody would read.
 * Newlines double on their way. */
CO_TASK_TEST(large_write_to_a_terminal_does_not_block_the_thread)
{
    static char data[200000];
    struct call reader = {.len = sizeof(data) / 10 * 11};
    int slave, master = pty_open(&slave);
    co_task *task;

    memset(data, 'x', sizeof(data));
    for (size_t i = 9; i < sizeof(data); i += 10)
        data[i] = '\n';
    reader.fd = master;
    task = co_test_spawn(read_lines, &reader);
    ck_assert_int_eq(co_write_all(slave, data, sizeof(data), NULL), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(flags_of(slave) & O_NONBLOCK, 0);
    ck_assert_int_eq(co_close(slave), 0);
    ck_assert_int_eq(co_close(master), 0);
}

/* ---- files --------------------------------------------------------------- */

CO_TASK_TEST(files_are_read_and_written_plainly)
{
    char name[] = "/tmp/coppice-file-XXXXXX";
    static char data[1 << 18], got[1 << 18];
    struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
    int fd = mkstemp(name), before = flags_of(fd);

    ck_assert_int_ge(fd, 0);
    unlink(name);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 31);
    for (int adopted = 0; adopted < 2; adopted++) {
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        ck_assert_int_eq(co_write(fd, data, sizeof(data)), sizeof(data));
        ck_assert_int_eq(co_writev(fd, &iov, 1), sizeof(data));
        ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 2 * sizeof(data));
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        /* Not from memory alone. */
        ck_assert_int_eq(fdatasync(fd), 0);
        ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(co_read_full(fd, got, sizeof(got), NULL), 0);
            ck_assert_mem_eq(got, data, sizeof(got));
        }
        ck_assert_int_eq(co_read(fd, got, sizeof(got)), 0);
        ck_assert_int_eq(co_wait_fd(fd, CO_READABLE | CO_WRITABLE),
                         CO_READABLE | CO_WRITABLE);
        if (!adopted) {
            ck_assert_int_eq(flags_of(fd), before);
            ck_assert_int_eq(co_adopt(fd), 0);
        }
    }
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(devices_are_read_and_written)
{
    char buffer[64] = "";
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    int full = open("/dev/full", O_RDWR | O_CLOEXEC);

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(co_read(null, buffer, 64), 0);
        ck_assert_int_eq(co_write(null, buffer, 64), 64);
        ck_assert_int_eq(co_read(zero, buffer, 64), 64);
        ck_assert_int_eq(co_write(full, buffer, 64), -ENOSPC);
        if (!i) {
            ck_assert_int_eq(co_adopt(null), 0);
            ck_assert_int_eq(co_adopt(zero), 0);
            ck_assert_int_eq(co_adopt(full), 0);
        }
    }
    ck_assert_int_eq(co_close(null), 0);
    ck_assert_int_eq(co_close(zero), 0);
    ck_assert_int_eq(co_close(full), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("foreign");
    TCase *tc = tcase_create("foreign");

    co_test_check_fds(tc);
    tcase_add_test(tc, blocking_pipe_stays_blocking);
    tcase_add_test(tc,
                   large_write_to_a_blocking_pipe_does_not_block_the_thread);
    tcase_add_test(tc, blocking_listener_stays_blocking);
    tcase_add_test(tc, plainly_closed_and_reused_number_is_what_it_is_now);
    tcase_add_test(tc, descriptor_shared_with_another_reader);
    tcase_add_test(tc, terminal_stays_as_it_is);
    tcase_add_test(tc, large_write_to_a_terminal_does_not_block_the_thread);
    tcase_add_test(tc, files_are_read_and_written_plainly);
    tcase_add_test(tc, devices_are_read_and_written);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
