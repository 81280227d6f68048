/* SPDX-License-Identifier: MIT */
/* What the tests of descriptors share: pairs of connected ones, and tasks that
 * read and write. */
#ifndef CO_TESTS_IO_SUPPORT_H
#define CO_TESTS_IO_SUPPORT_H

#include <coppice/addr.h>
#include <coppice/fd.h>
#include <coppice/socket.h>

#include "core/loop.h"
#include "core/turn.h"
#include "io/fdtable.h"
#include "support/check_main.h"
#include "support/port.h"
#include "support/tasks.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- pairs: what is written to [1] is read from [0] ---------------------- */

typedef void pair_fn(int fds[2]);

/* An abstract address that no other process has: another run of the tests may
 * be on its way, or a process that has just ended. For the next four calls. */
static inline const char *own_name(const char *what)
{
    static _Thread_local char names[4][64];
    static _Thread_local unsigned last;
    char *name = names[last++ % 4];

    snprintf(name, sizeof(names[0]), "@coppice-%s-%d", what, (int)getpid());
    return name;
}

/* The text of the address that a socket is bound to. */
static inline const char *bound_to(int fd)
{
    static _Thread_local char text[CO_ADDR_TEXT_MAX];
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    ck_assert_int_ge(
        co_addr_format((struct sockaddr *)&addr, len, text, sizeof(text)), 0);
    return text;
}

static inline void tcp_pair_at(const char *address, int fds[2])
{
    int listener = co_tcp_listen(address, 0);

    ck_assert_int_ge(listener, 0);
    fds[1] = co_tcp_dial(bound_to(listener));
    ck_assert_int_ge(fds[1], 0);
    fds[0] = co_accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[0], 0);
    ck_assert_int_eq(co_close(listener), 0);
}

static inline void tcp_pair(int fds[2])
{
    tcp_pair_at("127.0.0.1:0", fds);
}

static inline void foreign_pipe(int fds[2])
{
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
}

static inline void foreign_socket_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
}

static inline void adopt_pair(int fds[2])
{
    ck_assert_int_eq(co_adopt(fds[0]), 0);
    ck_assert_int_eq(co_adopt(fds[1]), 0);
}

static inline void pipe_pair(int fds[2])
{
    foreign_pipe(fds);
    adopt_pair(fds);
}

static inline void unix_pair(int fds[2])
{
    foreign_socket_pair(fds);
    adopt_pair(fds);
}

static inline void close_pair(int fds[2])
{
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

/* Give a descriptor another number, one that is free. Returns that. */
static inline int renumber(int fd, int number)
{
    if (fd == number)
        return fd;
    ck_assert_int_eq(fcntl(number, F_GETFD), -1);
    ck_assert_int_eq(dup3(fd, number, O_CLOEXEC), number);
    close(fd);
    return number;
}

/* ---- tasks --------------------------------------------------------------- */

/* One call in a task of its own. */
struct call {
    int fd;
    size_t len;
    struct co_test_log *log; /* gets `name` when the call returns */
    char name;
    co_task *task;
    ssize_t result;
    int after; /* what a further call that may suspend says */
    char buffer[64];
};

static inline int call_end(struct call *call, ssize_t result)
{
    call->result = result;
    if (call->log)
        co_test_log_add(call->log, call->name);
    call->after = co_yield_now();
    return 0;
}

static inline int call_read(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_read(call->fd, call->buffer, call->len));
}

static inline int call_write(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_write(call->fd, call->buffer, call->len));
}

static inline int call_accept(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_accept(call->fd, NULL, NULL));
}

static inline int call_wait(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_wait_fd(call->fd, (int)call->len));
}

/* Start a call and let it come to where it waits. */
static inline void call_start(struct call *call, co_task_fn fn)
{
    call->result = 12345;
    call->task = co_test_spawn(fn, call);
    co_test_yield();
}

static inline ssize_t call_result(struct call *call)
{
    ck_assert_int_eq(co_test_result(call->task), 0);
    return call->result;
}

static inline int call_waits(const struct call *call)
{
    return call->task->state == CO__TASK_PARKED;
}

/* Tasks that each read a byte, in line. */
static inline void start_readers(struct call *readers, int count, int fd,
                                 struct co_test_log *log)
{
    for (int i = 0; i < count; i++) {
        readers[i] = (struct call){
            .fd = fd, .len = 1, .log = log, .name = (char)('a' + i)};
        call_start(&readers[i], call_read);
        ck_assert(call_waits(&readers[i]));
    }
}

/* Whether calls on it are commands (core/command.h): these happen when the
 * kernel can carry them out, and not when their task runs. */
static inline int is_commanded(int fd)
{
    struct co_loop *loop = co_loop_running();
    struct co__fd_slot *slot;

    ck_assert_int_eq(co__fd_slot(loop, fd, &slot), 0);
    return co__commands(loop) && co__fd_commanded(slot);
}

/* Collect events and timers without running anybody. */
static inline void collect_events(void)
{
    co__turn(co_loop_running(), 0);
}

/* Let everybody run whom an event that has happened concerns. */
static inline void run_events(void)
{
    collect_events();
    co_test_yield();
}

/* Collect events until one has woken a call that waits. */
static inline void wake_by_event(const struct call *call)
{
    while (call_waits(call))
        collect_events();
}

/* ---- without Coppice ----------------------------------------------------- */

static inline void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (poll(&p, 1, -1) < 1)
        continue;
}

/* Read so many bytes and no more. */
static inline void take(int fd, size_t count)
{
    static char bytes[65536];

    while (count) {
        ssize_t n;

        wait_readable(fd);
        n = read(fd, bytes, count < sizeof(bytes) ? count : sizeof(bytes));
        ck_assert_int_gt(n, 0);
        count -= (size_t)n;
    }
}

static inline int nothing_there(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 0;
}

static size_t filled;

static inline size_t fill_once(int fd)
{
    static const char zeros[65536];
    size_t total = 0;
    ssize_t n;

    while ((n = write(fd, zeros, sizeof(zeros))) > 0 ||
           (n = write(fd, zeros, 1)) > 0)
        total += (size_t)n;
    ck_assert_int_eq(errno, EAGAIN);
    return total;
}

static inline int is_tcp(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t len = sizeof(domain);

    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    return domain == AF_INET || domain == AF_INET6;
}

/* Whether TCP will not make room by itself: it does when what is under way is
 * acknowledged, which may be held back. What is left then was never sent, for
 * the other end has no room. An emulator may not know how to ask; then 50 ms
 * without a change have to do. */
static inline int is_settled(int fd, int idle)
{
    int waiting = 0, unsent = 0; /* valgrind does not know who sets these */

    if (!is_tcp(fd))
        return 1;
    if (ioctl(fd, SIOCOUTQ, &waiting) < 0 ||
        ioctl(fd, SIOCOUTQNSD, &unsent) < 0)
        return idle >= 100;
    return waiting == unsent;
}

/* Fill a descriptor until it takes no more. */
static inline void fill(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int idle = 0, settled = 0;
    size_t more;

    ck_assert_int_eq(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    filled = fill_once(fd);
    do {
        usleep(500);
        settled = is_settled(fd, idle);
        more = fill_once(fd); /* after that look: it is the last one */
        filled += more;
        idle = more ? 0 : idle + 1;
    } while (more || !settled);
    ck_assert_int_eq(fcntl(fd, F_SETFL, flags), 0);
}

/* Take out what fill has put in at the other end. */
static inline void drain_filled(int fd)
{
    take(fd, filled);
    filled = 0;
}

#endif
