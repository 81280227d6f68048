/* SPDX-License-Identifier: MIT */
/* A number that another thread closes, and that is something else before the
 * loop hears of it. What a task has asked of it must not happen to what it is
 * then: it is EBADF. On io_uring, where what is asked reaches the kernel at the
 * turn's end, the turn is held up meanwhile. */
#include "core/command.h"
#include "core/loop.h"
#include "hook/hook_support.h"

#include <coppice/fd.h>
#include <coppice/hook.h>
#include <coppice/socket.h>
#include <coppice/stream.h>
#include <coppice/stream_ops.h>

#include <pthread.h>
#include <sys/uio.h>

enum {
    MANY = 300, /* more than io_uring queues before it hands them over */
};

static int old[2], new[2]; /* new[0] gets the number of old[0] */
static char got[8];
static struct hook_call call;

/* ---- the other thread ---------------------------------------------------- */

/* 0, or what has failed. */
static int swap(void *unused)
{
    int number = old[0], copy;

    (void)unused;
    if (close(number) != 0)
        return -errno;
    copy = fcntl(new[0], F_DUPFD_CLOEXEC, number);
    close(new[0]);
    new[0] = copy;
    return copy == number ? 0 : -EEXIST;
}

static void *swap_on_thread(void *arg)
{
    return co_test_number(swap(arg));
}

static void *swap_in_a_loop(void *arg)
{
    return co_test_number(co_run(swap, arg));
}

static int replace(void *unused)
{
    int number = old[0];

    (void)unused;
    if (dup3(new[0], number, O_CLOEXEC) != number)
        return -errno;
    close(new[0]);
    new[0] = number;
    return 0;
}

static void *replace_on_thread(void *arg)
{
    return co_test_number(replace(arg));
}

static void *(*const swaps[])(void *) = {swap_on_thread, swap_in_a_loop,
                                         replace_on_thread};
#define SWAPS ((int)(sizeof(swaps) / sizeof(swaps[0])))

/* Our own thread waits, with its loop. */
static void swap_elsewhere(int how)
{
    pthread_t thread;
    void *r;

    ck_assert_int_eq(pthread_create(&thread, NULL, swaps[how], NULL), 0);
    co_hook_pause ck_assert_int_eq(pthread_join(thread, &r), 0);
    ck_assert_int_eq(co_test_return(r), 0);
}

/* ---- the task's calls ---------------------------------------------------- */

static ssize_t ours(ssize_t n)
{
    errno = n < 0 ? (int)-n : 0;
    return n < 0 ? -1 : n;
}

static ssize_t by_read(struct hook_call *c)
{
    return read(c->fd, got, sizeof(got));
}

static ssize_t by_recv(struct hook_call *c)
{
    return recv(c->fd, got, sizeof(got), 0);
}

static ssize_t by_co_read(struct hook_call *c)
{
    return ours(co_read(c->fd, got, sizeof(got)));
}

static ssize_t by_co_readv(struct hook_call *c)
{
    struct iovec iov = {got, sizeof(got)};

    return ours(co_readv(c->fd, &iov, 1));
}

static ssize_t by_co_wait_fd(struct hook_call *c)
{
    return ours(co_wait_fd(c->fd, CO_READABLE));
}

static ssize_t by_co_accept(struct hook_call *c)
{
    return ours(co_accept(c->fd, NULL, NULL));
}

static ssize_t by_co_write(struct hook_call *c)
{
    return ours(co_write(c->fd, "x", 1));
}

static char much[65536];
static size_t wanted;

static ssize_t by_stream(struct hook_call *c)
{
    return ours(co_stream_read(c->data, much, wanted));
}

typedef ssize_t call_fn(struct hook_call *c);

/* A task asks, and waits; nothing has reached the kernel of what was queued:
 * the loop does not look at its reactor. */
static void ask(struct hook_call *c, call_fn *fn)
{
    *c = (struct hook_call){.fn = fn, .fd = old[0], .data = c->data};
    co_loop_running()->slice = 1 << 20;
    hook_begin_waiting(c);
}

static void it_is_told(void)
{
    ck_assert_int_eq(hook_end(&call), -EBADF);
}

static int is_command(void)
{
    return co__commands(co_loop_running());
}

/* ---- what is read -------------------------------------------------------- */

/* The new one is a pair with some bytes in it. */
static void make_pairs(int is_ours)
{
    hook_pair(old);
    hook_pair(new);
    hook_put(new[1], "abc");
    if (is_ours)
        ck_assert_int_eq(co_adopt(old[0]), 0);
}

static void all_is_there(void)
{
    char all[8];

    ck_assert_int_eq(recv(new[0], all, sizeof(all), MSG_DONTWAIT), 3);
    close(old[1]);
    hook_close(new);
}

static const struct {
    call_fn *fn;
    int is_ours;
} reads[] = {
    {by_co_read, 1},    {by_co_readv, 1}, {by_co_read, 0}, {by_co_wait_fd, 1},
    {by_co_wait_fd, 0}, {by_read, 0},     {by_recv, 0},
};
#define READS ((int)(sizeof(reads) / sizeof(reads[0])))

EACH_TEST(nothing_is_read_of_what_a_number_is_next)
{
    for (int how = 0; how < SWAPS; how++) {
        make_pairs(reads[i].is_ours);
        ask(&call, reads[i].fn);
        swap_elsewhere(how);
        it_is_told();
        all_is_there();
    }
}

/* Little, which is read ahead, and so much that nothing is. */
EACH_TEST(no_stream_reads_of_what_a_number_is_next)
{
    co_stream *stream;
    int fd = -1;

    make_pairs(1);
    stream = co_stream_new(old[0], NULL);
    ck_assert_ptr_nonnull(stream);
    call.data = stream;
    wanted = i ? sizeof(much) : 1;
    ask(&call, by_stream);
    swap_elsewhere(0);
    it_is_told();
    ck_assert_int_eq(co_stream_detach(stream, &fd), 0);
    ck_assert_int_eq(fd, new[0]);
    all_is_there();
}

/* The second in line has not asked anything yet. */
CO_TASK_TEST(who_stands_in_line_is_told_too)
{
    struct hook_call second = {.data = NULL};

    make_pairs(1);
    ask(&call, by_co_read);
    ask(&second, by_co_read);
    swap_elsewhere(0);
    it_is_told();
    ck_assert_int_eq(hook_end(&second), -EBADF);
    all_is_there();
}

/* So many that some have to reach the kernel before the turn's end. */
CO_TASK_TEST(many_calls_after_it_do_not_take_it_along)
{
    static struct hook_call others[MANY];
    int idle[2];

    hook_pair(idle);
    make_pairs(1);
    ask(&call, by_co_read);
    swap_elsewhere(0);
    for (int i = 0; i < MANY; i++) {
        old[0] = dup(idle[0]);
        ck_assert_int_eq(co_adopt(old[0]), 0);
        ask(&others[i], by_co_read);
    }
    it_is_told();
    all_is_there();
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(co_close(others[i].fd), 0);
        ck_assert_int_eq(hook_end(&others[i]), -EBADF);
    }
    hook_close(idle);
}

/* What the kernel is to wait for, of a descriptor that is not ours: nothing of
 * the new one, which would be kept open by that. */
CO_TASK_TEST(nothing_is_waited_for_of_what_a_number_is_next)
{
    co_loop *loop = co_loop_running();
    int reported;

    make_pairs(0);
    ck_assert_int_eq(recv(new[0], got, sizeof(got), 0), 3);
    ask(&call, by_read);
    swap_elsewhere(0);
    reported = loop->poller_ops->wait(loop->poller, 0, 0);
    if (is_command())
        ck_assert_int_eq(reported, 1); /* EBADF: else nothing has happened */
    it_is_told();
    hook_put(new[1], "abc");
    all_is_there();
}

/* ---- what is done otherwise ---------------------------------------------- */

CO_TASK_TEST(no_connection_is_taken_of_the_next_listener)
{
    struct sockaddr_in addr;
    socklen_t len;
    int conn;

    for (int how = 0; how < SWAPS; how++) {
        hook_listen(&old[0], &addr);
        ck_assert_int_eq(co_adopt(old[0]), 0);
        len = hook_listen(&new[0], &addr);
        new[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(new[1], (struct sockaddr *)&addr, len), 0);
        ask(&call, by_co_accept);
        swap_elsewhere(how);
        it_is_told();
        hook_set_nonblocking(new[0]);
        conn = accept(new[0], NULL, NULL);
        ck_assert_int_ge(conn, 0);
        close(conn);
        hook_close(new);
    }
}

/* On io_uring alone a task waits before it has tried to write, or connect. */
CO_TASK_TEST(nothing_is_written_to_what_a_number_is_next)
{
    if (!is_command())
        return;
    make_pairs(1);
    ask(&call, by_co_write);
    swap_elsewhere(0);
    it_is_told();
    ck_assert_int_eq(recv(new[1], got, 1, MSG_DONTWAIT), -1);
    all_is_there();
}

static struct sockaddr_in to;

static ssize_t by_co_connect(struct hook_call *c)
{
    return ours(co_connect(c->fd, (struct sockaddr *)&to, sizeof(to)));
}

static int port_of(int fd)
{
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof(addr);

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    return addr.sin_port;
}

/* Nor is it made free for another attempt, which would cost it its port. */
CO_TASK_TEST(what_a_number_is_next_is_not_connected)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    int port;

    if (!is_command())
        return;
    hook_listen(&old[1], &to);
    old[0] = co_socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(old[0], 0);
    new[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(
        sendto(new[0], "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
    port = port_of(new[0]);
    ask(&call, by_co_connect);
    swap_elsewhere(0);
    it_is_told();
    ck_assert_int_eq(getpeername(new[0], (struct sockaddr *)&peer, &len), -1);
    ck_assert_int_eq(port_of(new[0]), port);
    close(old[1]);
    close(new[0]);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.reuse");
    TCase *tc = hook_case(s, "reuse");

    tcase_add_loop_test(tc, nothing_is_read_of_what_a_number_is_next, 0, READS);
    tcase_add_loop_test(tc, no_stream_reads_of_what_a_number_is_next, 0, 2);
    tcase_add_test(tc, who_stands_in_line_is_told_too);
    tcase_add_test(tc, many_calls_after_it_do_not_take_it_along);
    tcase_add_test(tc, nothing_is_waited_for_of_what_a_number_is_next);
    tcase_add_test(tc, no_connection_is_taken_of_the_next_listener);
    tcase_add_test(tc, nothing_is_written_to_what_a_number_is_next);
    tcase_add_test(tc, what_a_number_is_next_is_not_connected);
    return s;
}

CO_TEST_MAIN(suite)
