/* SPDX-License-Identifier: MIT */
/* Writing by the plain calls, in tasks: all of it, in as many rounds as it
 * takes. "blocking writes loop until complete". */
#include "hook/hook_support.h"

#include "support/virtual_clock.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define MUCH ((size_t)1 << 20)

static ssize_t by_write(struct hook_call *c)
{
    return write(c->fd, c->data, c->len);
}

static ssize_t by_writev(struct hook_call *c)
{
    struct iovec iov[20];
    size_t part = c->len / 20;

    for (int i = 0; i < 20; i++)
        iov[i] = (struct iovec){(char *)c->data + (size_t)i * part,
                                i < 19 ? part : c->len - 19 * part};
    return writev(c->fd, iov, 20);
}

static ssize_t by_send(struct hook_call *c)
{
    return send(c->fd, c->data, c->len, c->flags | MSG_NOSIGNAL);
}

static ssize_t by_sendto(struct hook_call *c)
{
    return sendto(c->fd, c->data, c->len, c->flags | MSG_NOSIGNAL, NULL, 0);
}

static ssize_t by_sendmsg(struct hook_call *c)
{
    struct iovec iov[2] = {{c->data, 1}, {(char *)c->data + 1, c->len - 1}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    return sendmsg(c->fd, &message, c->flags | MSG_NOSIGNAL);
}

static ssize_t by_sendmmsg(struct hook_call *c)
{
    struct iovec iov = {c->data, c->len};
    struct mmsghdr one = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    int n = sendmmsg(c->fd, &one, 1, c->flags | MSG_NOSIGNAL);

    return n < 0 ? n : (ssize_t)one.msg_len;
}

typedef ssize_t call_fn(struct hook_call *c);

static call_fn *const writers[] = {by_send,     by_sendto, by_sendmsg,
                                   by_sendmmsg, by_write,  by_writev};
#define WRITERS ((int)(sizeof(writers) / sizeof(writers[0])))
#define SENDERS 4

static int fds[2];
static char *much, *got;
static struct hook_call call;

static void prepare(int i, void (*make)(int fds[2]))
{
    make(fds);
    call = (struct hook_call){
        .fn = writers[i], .fd = fds[1], .data = much, .len = MUCH};
}

static void much_make(void)
{
    much = malloc(MUCH);
    got = malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        much[i] = (char)(i * 7 + i / 4096);
    signal(SIGPIPE, SIG_IGN);
}

static void much_free(void)
{
    free(much);
    free(got);
}

/* Read len bytes; there must be no more of them wanted than sent. */
static void get_all(size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(fds[0], got + done, len - done);

        ck_assert_int_gt(n, 0);
        done += (size_t)n;
    }
    ck_assert_int_eq(memcmp(got, much, len), 0);
}

EACH_TEST(much_is_written_whole)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    get_all(MUCH);
    ck_assert_int_eq(hook_end(&call), (ssize_t)MUCH);
    ck_assert_int_eq(hook_is_nonblocking(fds[1]), 0);
    hook_close(fds);
}

EACH_TEST(little_is_written_at_once)
{
    prepare(i, hook_pair);
    call.len = 100;
    ck_assert_int_eq(hook_do(&call), 100);
    get_all(100);
    hook_close(fds);
}

EACH_TEST(what_is_non_blocking_takes_a_part)
{
    ssize_t n;

    prepare(i, hook_pair);
    hook_set_nonblocking(fds[1]);
    n = hook_do(&call);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, (ssize_t)MUCH);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    get_all((size_t)n);
    hook_close(fds);
}

EACH_TEST(so_sndtimeo_ends_the_wait)
{
    ssize_t n;

    prepare(i, hook_pair);
    hook_limit(fds[1], SO_SNDTIMEO, 40);
    n = hook_do(&call);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 40 * CO_MS);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_eq(co_test_clock_elapsed(), 80 * CO_MS);
    hook_close(fds);
}

EACH_TEST(a_scope_out_of_time_keeps_what_was_written)
{
    ssize_t n = 0;

    prepare(i, hook_pair);
    co_timeout(20 * CO_MS) {
        n = hook_do(&call);
        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(hook_do(&call), -ETIMEDOUT);
    }
    get_all((size_t)n);
    hook_close(fds);
}

EACH_TEST(a_cancel_keeps_what_was_written)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_gt(hook_end(&call), 0);
    get_all((size_t)call.result);
    hook_begin_waiting(&call);
    get_all(1000);
    hook_close((int[2]){fds[0], -1});
    hook_end(&call);
    close(fds[1]);
}

EACH_TEST(who_reads_no_more_is_epipe)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    close(fds[0]);
    ck_assert_int_gt(hook_end(&call), 0);
    ck_assert_int_eq(hook_do(&call), -EPIPE);
    close(fds[1]);
}

EACH_TEST(what_is_closed_meanwhile_wakes_the_writer)
{
    prepare(i, hook_pair);
    hook_begin_waiting(&call);
    close(fds[1]);
    ck_assert_int_gt(hook_end(&call), 0); /* that went */
    ck_assert_int_eq(hook_do(&call), -EBADF);
    close(fds[0]);
}

EACH_TEST(mistakes_are_told_as_by_the_system)
{
    prepare(i, hook_pipe);
    call.len = 40;
    ck_assert_int_eq(hook_do(&call), i < SENDERS ? -ENOTSOCK : 40);
    call.fd = -1;
    ck_assert_int_eq(hook_do(&call), -EBADF);
    call.fd = fds[0];
    if (!CO_TEST_EMULATED) /* which has no pwritev2: the hook has to wait */
        ck_assert_int_eq(hook_do(&call), i < SENDERS ? -ENOTSOCK : -EBADF);
    hook_close(fds);
}

EACH_TEST(msg_dontwait_takes_a_part)
{
    prepare(i, hook_pair);
    call.flags = MSG_DONTWAIT;
    ck_assert_int_gt(hook_do(&call), 0);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    hook_close(fds);
}

static void datagrams(int pair[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair),
                     0);
}

EACH_TEST(a_datagram_that_finds_no_room_waits)
{
    int sent = 0;

    prepare(i, datagrams);
    call.len = 1000;
    for (hook_begin(&call); call.done; hook_begin(&call)) {
        ck_assert_int_eq(hook_end(&call), 1000);
        ck_assert_int_lt(++sent, 100000);
    }
    ck_assert_int_gt(sent, 0);
    for (; sent > 0; sent--)
        ck_assert_int_eq(recv(fds[0], got, MUCH, 0), 1000);
    ck_assert_int_eq(hook_end(&call), 1000);
    call.len = (size_t)1 << 20;
    ck_assert_int_eq(hook_do(&call), -EMSGSIZE);
    hook_close(fds);
}

/* ---- what is no socket --------------------------------------------------- */

CO_TASK_TEST(a_pipe_is_written_whole)
{
    for (int i = SENDERS; i < WRITERS; i++) {
        prepare(i, hook_pipe);
        hook_begin_waiting(&call);
        get_all(MUCH);
        ck_assert_int_eq(hook_end(&call), (ssize_t)MUCH);
        ck_assert_int_eq(hook_is_nonblocking(fds[1]), 0);
        hook_close(fds);
    }
}

static void fifo(int ends[2])
{
    char folder[] = "/tmp/coppice-hook-XXXXXX", path[64];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/fifo", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ends[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ends[1] = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(ends[1], 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_RDONLY), 0);
    unlink(path);
    rmdir(folder);
}

CO_TASK_TEST(a_fifo_is_written_whole)
{
    for (int i = SENDERS; i < WRITERS; i++) {
        prepare(i, fifo);
        hook_begin_waiting(&call);
        get_all(MUCH);
        ck_assert_int_eq(hook_end(&call), (ssize_t)MUCH);
        hook_close(fds);
    }
}

CO_TASK_TEST(a_full_terminal_parks_its_writer)
{
    hook_terminal(fds);
    memset(much, 'x', 200000);
    call = (struct hook_call){
        .fn = by_write, .fd = fds[0], .data = much, .len = 200000};
    hook_begin_waiting(&call);
    for (size_t done = 0; done < 200000;) {
        ssize_t n = read(fds[1], got, MUCH);

        ck_assert_int_gt(n, 0);
        done += (size_t)n;
    }
    ck_assert_int_eq(hook_end(&call), 200000);
    ck_assert_int_eq(hook_is_nonblocking(fds[0]), 0);
    hook_close(fds);
}

CO_TASK_TEST(an_eventfd_without_room_parks)
{
    uint64_t most = UINT64_MAX - 1, one = 1, count;
    int fd = eventfd(0, EFD_CLOEXEC);

    ck_assert_int_eq(write(fd, &most, 8), 8);
    call = (struct hook_call){.fn = by_write, .fd = fd, .data = &one, .len = 8};
    hook_begin_waiting(&call);
    ck_assert_int_eq(read(fd, &count, 8), 8);
    ck_assert_int_eq(hook_end(&call), 8);
    close(fd);
}

CO_TASK_TEST(a_regular_file_is_written)
{
    int fd = memfd_create("coppice", MFD_CLOEXEC);

    prepare(WRITERS - 1, hook_pipe);
    call.fd = fd;
    ck_assert_int_eq(hook_do(&call), (ssize_t)MUCH);
    ck_assert_int_eq(pread(fd, got, MUCH, 0), (ssize_t)MUCH);
    ck_assert_int_eq(memcmp(got, much, MUCH), 0);
    close(fd);
    hook_close(fds);
}

CO_TASK_TEST(nothing_is_written_at_once)
{
    hook_pair(fds);
    ck_assert_int_eq(write(fds[1], much, 0), 0);
    ck_assert_int_eq(send(fds[1], much, 0, 0), 0);
    ck_assert_int_eq(write(-1, much, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    hook_close(fds);
}

/* ---- sendfile, splice ---------------------------------------------------- */

static int source;

static ssize_t by_sendfile(struct hook_call *c)
{
    return sendfile(c->fd, source, NULL, c->len);
}

static ssize_t by_splice(struct hook_call *c)
{
    return splice(source, NULL, c->fd, NULL, c->len, 0);
}

CO_TASK_TEST(sendfile_sends_all_of_a_file)
{
    source = memfd_create("coppice", MFD_CLOEXEC);
    prepare(0, hook_pair);
    call.fn = by_sendfile;
    ck_assert_int_eq(write(source, much, MUCH), (ssize_t)MUCH);
    ck_assert_int_eq(lseek(source, 0, SEEK_SET), 0);
    hook_begin_waiting(&call);
    ck_assert_int_eq(hook_is_nonblocking(fds[1]), 0);
    get_all(MUCH);
    ck_assert_int_eq(hook_end(&call), (ssize_t)MUCH);
    ck_assert_int_eq(hook_do(&call), 0); /* its end */
    ck_assert_int_eq(lseek(source, 0, SEEK_SET), 0);
    hook_set_nonblocking(fds[1]);
    ck_assert_int_gt(hook_do(&call), 0);
    call.fd = -1;
    ck_assert_int_eq(hook_do(&call), -EBADF);
    close(source);
    hook_close(fds);
}

CO_TASK_TEST(splice_waits_for_what_comes)
{
    int from[2];

    hook_pipe(from);
    source = from[0];
    prepare(0, hook_pair);
    call.fn = by_splice;
    call.len = 1000;
    hook_begin_waiting(&call);
    ck_assert_int_eq(hook_is_nonblocking(source), 0);
    ck_assert_int_eq(hook_is_nonblocking(fds[1]), 0);
    ck_assert_int_eq(write(from[1], much, 500), 500);
    ck_assert_int_eq(hook_end(&call), 500);
    get_all(500);
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_begin_waiting(&call);
    close(from[1]);
    ck_assert_int_eq(hook_end(&call), 0);
    close(source);
    hook_close(fds);
}

static void add_flags(Suite *s)
{
    TCase *tc = hook_case(s, "flags");

    tcase_add_checked_fixture(tc, much_make, much_free);
    tcase_add_loop_test(tc, msg_dontwait_takes_a_part, 0, SENDERS);
    tcase_add_loop_test(tc, a_datagram_that_finds_no_room_waits, 0, WRITERS);

    tc = hook_case(s, "time");
    co_test_virtual_clock(tc);
    tcase_add_checked_fixture(tc, much_make, much_free);
    tcase_add_loop_test(tc, so_sndtimeo_ends_the_wait, 0, WRITERS);
    tcase_add_loop_test(tc, a_scope_out_of_time_keeps_what_was_written, 0,
                        WRITERS);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.write");
    TCase *tc = hook_case(s, "every call");

    tcase_add_checked_fixture(tc, much_make, much_free);
    tcase_add_loop_test(tc, much_is_written_whole, 0, WRITERS);
    tcase_add_loop_test(tc, little_is_written_at_once, 0, WRITERS);
    tcase_add_loop_test(tc, what_is_non_blocking_takes_a_part, 0, WRITERS);
    tcase_add_loop_test(tc, a_cancel_keeps_what_was_written, 0, WRITERS);
    tcase_add_loop_test(tc, who_reads_no_more_is_epipe, 0, WRITERS);
    tcase_add_loop_test(tc, what_is_closed_meanwhile_wakes_the_writer, 0,
                        WRITERS);
    tcase_add_loop_test(tc, mistakes_are_told_as_by_the_system, 0, WRITERS);
    add_flags(s);

    tc = hook_case(s, "no sockets");
    tcase_add_checked_fixture(tc, much_make, much_free);
    tcase_add_test(tc, a_pipe_is_written_whole);
    tcase_add_test(tc, a_fifo_is_written_whole);
    tcase_add_test(tc, a_full_terminal_parks_its_writer);
    tcase_add_test(tc, an_eventfd_without_room_parks);
    tcase_add_test(tc, a_regular_file_is_written);
    tcase_add_test(tc, nothing_is_written_at_once);
    tcase_add_test(tc, sendfile_sends_all_of_a_file);
    tcase_add_test(tc, splice_waits_for_what_comes);
    return s;
}

CO_TEST_MAIN(suite)
