/* SPDX-License-Identifier: MIT */
/* Sockets: making, listening, accepting, connecting, dialling. */
#include "io_support.h"

#include <coppice/cancel.h>
#include <coppice/scope.h>

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>

#ifdef CO__VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static char path[64];

static void path_make(void)
{
    snprintf(path, sizeof(path), "/tmp/coppice-test-%d", (int)getpid());
    unlink(path);
}

static void path_remove(void)
{
    unlink(path);
}

static void abstract_name(char *name, size_t bytes)
{
    snprintf(name, bytes, "@coppice-test-%d", (int)getpid());
}

static int int_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    ck_assert_int_eq(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void check_is_ours(int fd)
{
    int elsewhere;

    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ck_assert(co__fd_care(fd, &elsewhere) & CO__FD_OWN);
}

/* ---- making -------------------------------------------------------------- */

CO_TASK_TEST(socket_is_ours)
{
    int fd = co_socket(AF_INET, SOCK_STREAM, 0);

    check_is_ours(fd);
    ck_assert_int_eq(co_close(fd), 0);
    fd = co_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    check_is_ours(fd);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_socket(AF_INET, SOCK_STREAM, 99), -EPROTONOSUPPORT);
    ck_assert_int_eq(co_socket(-1, SOCK_STREAM, 0), -EAFNOSUPPORT);
}

static void talk(int a, int b)
{
    char buffer[8];

    ck_assert_int_eq(co_write(a, "ping", 4), 4);
    ck_assert_int_eq(co_read(b, buffer, 8), 4);
    ck_assert_int_eq(co_write(b, "pong", 4), 4);
    ck_assert_int_eq(co_read(a, buffer, 8), 4);
    ck_assert_mem_eq(buffer, "pong", 4);
}

CO_TASK_TEST(tcp_dial_reaches_tcp_listen)
{
    static const char *const hosts[] = {"127.0.0.1:0", "[::1]:0"};

    for (int i = 0; i < 2; i++) {
        int listener = co_tcp_listen(hosts[i], 5);
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        char text[CO_ADDR_TEXT_MAX];
        int a, b;

        check_is_ours(listener);
        ck_assert_int_eq(int_option(listener, SOL_SOCKET, SO_REUSEADDR), 1);
        a = co_tcp_dial(bound_to(listener));
        check_is_ours(a);
        b = co_accept(listener, (struct sockaddr *)&peer, &len);
        check_is_ours(b);
        ck_assert_int_gt(co_addr_format((struct sockaddr *)&peer, len, text,
                                        sizeof(text)),
                         0);
        ck_assert_str_eq(text, bound_to(a));
        ck_assert_int_ne(int_option(a, IPPROTO_TCP, TCP_NODELAY), 0);
        ck_assert_int_ne(int_option(b, IPPROTO_TCP, TCP_NODELAY), 0);
        talk(a, b);
        ck_assert_int_eq(co_close(a), 0);
        ck_assert_int_eq(co_close(b), 0);
        ck_assert_int_eq(co_close(listener), 0);
    }
}

/* "Any address" takes IPv4 and IPv6. */
CO_TASK_TEST(any_address_listens_for_both_families)
{
    int listener = co_tcp_listen(":0", 0);
    char address[CO_ADDR_TEXT_MAX];
    const char *port = strrchr(bound_to(listener), ':');
    int a, b;

    snprintf(address, sizeof(address), "127.0.0.1%s", port);
    a = co_tcp_dial(address);
    ck_assert_int_ge(a, 0);
    b = co_accept(listener, NULL, NULL);
    talk(a, b);
    ck_assert_int_eq(co_close(a), 0);
    ck_assert_int_eq(co_close(b), 0);
    snprintf(address, sizeof(address), "[::1]%s",
             strrchr(bound_to(listener), ':'));
    a = co_tcp_dial(address);
    ck_assert_int_ge(a, 0);
    b = co_accept(listener, NULL, NULL);
    talk(a, b);
    ck_assert_int_eq(co_close(a), 0);
    ck_assert_int_eq(co_close(b), 0);
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(unix_dial_reaches_unix_listen)
{
    char name[64];

    abstract_name(name, sizeof(name));
    for (int i = 0; i < 2; i++) {
        const char *where = i ? name : path;
        int listener = co_unix_listen(where, 0);
        int a, b;

        check_is_ours(listener);
        ck_assert_str_eq(bound_to(listener), where);
        a = co_unix_dial(where);
        check_is_ours(a);
        b = co_accept(listener, NULL, NULL);
        check_is_ours(b);
        talk(a, b);
        ck_assert_int_eq(co_close(a), 0);
        ck_assert_int_eq(co_close(b), 0);
        ck_assert_int_eq(co_unix_listen(where, 0), -EADDRINUSE);
        ck_assert_int_eq(co_close(listener), 0);
    }
    /* The path stays. */
    ck_assert_int_eq(co_unix_listen(path, 0), -EADDRINUSE);
    ck_assert_int_eq(co_unix_dial(path), -ECONNREFUSED);
    ck_assert_int_eq(co_unix_dial(name), -ECONNREFUSED);
    ck_assert_int_eq(co_unix_dial("/no/such/path"), -ENOENT);
    ck_assert_int_eq(co_unix_listen("/no/such/path", 0), -ENOENT);
}

CO_TASK_TEST(dial_and_listen_refuse_bad_input)
{
    char address[CO_ADDR_TEXT_MAX];
    int listener;

    snprintf(address, sizeof(address), "127.0.0.1:%d", co_test_port());
    listener = co_tcp_listen(address, 0);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(co_tcp_listen(address, 0), -EADDRINUSE);
    ck_assert_int_eq(co_close(listener), 0);
    ck_assert_int_eq(co_tcp_dial(address), -ECONNREFUSED);
    ck_assert_int_eq(co_tcp_dial(NULL), -EINVAL);
    ck_assert_int_eq(co_tcp_dial("localhost:80"), -EINVAL);
    ck_assert_int_eq(co_tcp_dial("[fe80::1%nowhere]:80"), -ENODEV);
    ck_assert_int_eq(co_tcp_listen(NULL, 0), -EINVAL);
    ck_assert_int_eq(co_tcp_listen("127.0.0.1", 0), -EINVAL);
    ck_assert_int_eq(co_tcp_listen("127.0.0.1:0", -1), -EINVAL);
    ck_assert_int_eq(co_tcp_listen("192.0.2.1:0", 0), -EADDRNOTAVAIL);
    ck_assert_int_eq(co_unix_dial(NULL), -EINVAL);
    ck_assert_int_eq(co_unix_dial(""), -EINVAL);
    ck_assert_int_eq(co_unix_listen(NULL, 0), -EINVAL);
    ck_assert_int_eq(co_unix_listen(path, -1), -EINVAL);
}

/* ---- accepting ----------------------------------------------------------- */

CO_TASK_TEST(acceptor_waits_for_a_connection)
{
    int listener = co_tcp_listen("127.0.0.1:0", 0);
    struct call acceptors[3];
    struct co_test_log log = {.length = 0};
    int conns[3];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) {
            acceptors[i] = (struct call){
                .fd = listener, .log = &log, .name = (char)('a' + i)};
            call_start(&acceptors[i], call_accept);
            ck_assert(call_waits(&acceptors[i]));
        }
        for (int i = 0; i < 3; i++) {
            conns[i] = co_tcp_dial(bound_to(listener));
            ck_assert_int_ge(conns[i], 0);
        }
        for (int i = 0; i < 3; i++) {
            ck_assert_int_ge(call_result(&acceptors[i]), 0);
            ck_assert_int_eq(co_close((int)acceptors[i].result), 0);
            ck_assert_int_eq(co_close(conns[i]), 0);
        }
    }
    ck_assert_str_eq(log.text, "abcabc");
    ck_assert_int_eq(co_close(listener), 0);
}

static int dial_task(void *address)
{
    return co_tcp_dial(address);
}

CO_TASK_TEST(cancel_neither_loses_nor_leaks_a_connection)
{
    int listener = co_tcp_listen("127.0.0.1:0", 0);
    char address[CO_ADDR_TEXT_MAX];
    struct call acceptor = {.fd = listener};
    int conn;

    strcpy(address, bound_to(listener));
    for (int event_first = 0; event_first < 2; event_first++) {
        co_task *dialler;

        call_start(&acceptor, call_accept);
        ck_assert(call_waits(&acceptor));
        if (!event_first)
            co_cancel(acceptor.task);
        dialler = co_test_spawn(dial_task, address);
        if (event_first) {
            /* The dialler connects and the acceptor's event is collected. */
            conn = socket(AF_INET, SOCK_STREAM, 0);
            co_addr addr;
            ck_assert_int_eq(co_addr_tcp(address, &addr), 0);
            ck_assert_int_eq(connect(conn, &addr.as.any, addr.len), 0);
            wake_by_event(&acceptor);
            co_cancel(acceptor.task);
            ck_assert_int_ge(call_result(&acceptor), 0);
            ck_assert_int_eq(acceptor.after, -ECANCELED);
            ck_assert_int_eq(co_close((int)acceptor.result), 0);
            close(conn);
        } else {
            ck_assert_int_eq(call_result(&acceptor), -ECANCELED);
        }
        conn = co_accept(listener, NULL, NULL);
        ck_assert_int_ge(conn, 0);
        ck_assert_int_eq(co_close(conn), 0);
        conn = co_test_result(dialler);
        ck_assert_int_ge(conn, 0);
        ck_assert_int_eq(co_close(conn), 0);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

/* Connect and write without giving way to any task. */
static int dial_and_write(int listener, const char *text)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

CO_TASK_TEST(out_of_descriptors_the_listener_goes_on)
{
    struct call acceptor = {.fd = co_tcp_listen("127.0.0.1:0", 0)};
    struct rlimit old, low;
    char buffer[8];
    int a[2], b, next;

    for (int foreign = 0; foreign < 2; foreign++) {
        if (foreign)
            ck_assert_int_eq(co_fd_release(acceptor.fd), 0);
        call_start(&acceptor, call_accept);
        for (int i = 0; i < 2; i++)
            a[i] = dial_and_write(acceptor.fd, i ? "two" : "one");
        next = dup(0);
        close(next);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        low = old;
        low.rlim_cur = (rlim_t)next;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
        /* The one that waits gets the error, and so does who comes next. */
        ck_assert_int_eq(call_result(&acceptor), -EMFILE);
        ck_assert_int_eq(co_accept(acceptor.fd, NULL, NULL), -EMFILE);
        ck_assert_int_eq(co_socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
        ck_assert_int_eq(co_tcp_dial(bound_to(acceptor.fd)), -EMFILE);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        for (int i = 0; i < 2; i++) {
            b = co_accept(acceptor.fd, NULL, NULL);
            ck_assert_int_ge(b, 0);
            ck_assert_int_eq(co_read(b, buffer, 8), 3);
            ck_assert_mem_eq(buffer, i ? "two" : "one", 3);
            ck_assert_int_eq(co_close(b), 0);
            ck_assert_int_eq(co_close(a[i]), 0);
        }
    }
    ck_assert_int_eq(co_close(acceptor.fd), 0);
}

CO_TASK_TEST(accept_refuses_bad_input)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    int fds[2];

    ck_assert_int_eq(co_accept(-1, NULL, NULL), -EBADF);
    ck_assert_int_eq(co_accept(12345, NULL, NULL), -EBADF);
    pipe_pair(fds);
    ck_assert_int_eq(co_accept(fds[0], NULL, NULL), -ENOTSOCK);
    close_pair(fds);
    foreign_pipe(fds);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(co_accept(fds[0], NULL, NULL), -ENOTSOCK);
    close_pair(fds);
    tcp_pair(fds);
    ck_assert_int_eq(co_accept(fds[0], NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_accept(fds[0], (struct sockaddr *)&addr, NULL),
                     -EINVAL);
    ck_assert_int_eq(co_accept(fds[0], NULL, &len), -EINVAL);
    close_pair(fds);
}

CO_TASK_TEST(closing_a_listener_wakes_its_acceptors)
{
    struct call acceptors[2];
    int listener = co_tcp_listen("127.0.0.1:0", 0);

    for (int i = 0; i < 2; i++) {
        acceptors[i] = (struct call){.fd = listener};
        call_start(&acceptors[i], call_accept);
    }
    ck_assert_int_eq(co_close(listener), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(call_result(&acceptors[i]), -EBADF);
}

/* ---- connecting ---------------------------------------------------------- */

/* A listener whose backlog is full, so that TCP does not answer. */
static int full_listener(int *fillers, int count, co_addr *addr)
{
    int listener = co_tcp_listen("127.0.0.1:0", 1);

    ck_assert_int_eq(co_addr_tcp(bound_to(listener), addr), 0);
    for (int i = 0; i < count; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        ck_assert(connect(fillers[i], &addr->as.any, addr->len) == 0 ||
                  errno == EINPROGRESS);
    }
    return listener;
}

static co_addr connect_to;

static int call_connect(void *arg)
{
    struct call *call = arg;

    return call_end(call,
                    co_connect(call->fd, &connect_to.as.any, connect_to.len));
}

CO_TASK_TEST(connect_waits_and_can_be_cancelled)
{
    struct call call = {.fd = -1};
    int fillers[4], listener = full_listener(fillers, 4, &connect_to);

    for (int foreign = 0; foreign < 2; foreign++) {
        call.fd = foreign ? socket(AF_INET, SOCK_STREAM, 0)
                          : co_socket(AF_INET, SOCK_STREAM, 0);
        call_start(&call, call_connect);
        ck_assert(call_waits(&call));
        ck_assert_int_eq(!!(fcntl(call.fd, F_GETFL) & O_NONBLOCK), !foreign);
        co_cancel(call.task);
        ck_assert_int_eq(call_result(&call), -ECANCELED);
        /* It is still under way: a second call goes on waiting. */
        co_timeout(CO_MS)
            ck_assert_int_eq(co_connect(call.fd, &connect_to.as.any,
                                        connect_to.len),
                             -ETIMEDOUT);
        call_start(&call, call_connect);
        ck_assert_int_eq(co_close(call.fd), 0);
        ck_assert_int_eq(call_result(&call), -EBADF);
    }
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    ck_assert_int_eq(co_close(listener), 0);
}

/* The SYN is answered when it is sent again, a second later. */
CO_TASK_TEST(connect_succeeds_when_there_is_room)
{
    struct call call = {.fd = co_socket(AF_INET, SOCK_STREAM, 0)};
    int fillers[4], listener = full_listener(fillers, 4, &connect_to);
    int conn = -1;

    call_start(&call, call_connect);
    ck_assert(call_waits(&call));
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    co_timeout(20 * CO_SEC) {
        struct sockaddr_storage peer;
        struct sockaddr_storage us;
        socklen_t len = sizeof(us);

        do {
            socklen_t peer_len = sizeof(peer);

            conn = co_accept(listener, (struct sockaddr *)&peer, &peer_len);
            ck_assert_int_ge(conn, 0);
            len = sizeof(us);
            getsockname(call.fd, (struct sockaddr *)&us, &len);
            if (memcmp(&peer, &us, sizeof(struct sockaddr_in)) == 0)
                break;
            ck_assert_int_eq(co_close(conn), 0);
        } while (1);
        ck_assert_int_eq(call_result(&call), 0);
        talk(call.fd, conn);
    }
    ck_assert_int_eq(co_connect(call.fd, &connect_to.as.any, connect_to.len),
                     -EISCONN);
    ck_assert_int_eq(co_close(conn), 0);
    ck_assert_int_eq(co_close(call.fd), 0);
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(refused_connection_leaves_the_socket_usable)
{
    int listener = co_tcp_listen("127.0.0.1:0", 0);
    int fd = co_socket(AF_INET, SOCK_STREAM, 0);
    int conn;
    co_addr good, bad;

    /* Registered before it is connected: the reactor sees it hung up. */
    ck_assert_int_gt(co_wait_fd(fd, CO_WRITABLE), 0);
    ck_assert_int_eq(co_addr_tcp(bound_to(listener), &good), 0);
    ck_assert_int_eq(co_addr_tcp("127.0.0.1:1", &bad), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_connect(fd, &bad.as.any, bad.len), -ECONNREFUSED);
    ck_assert_int_eq(co_connect(fd, &good.as.any, good.len), 0);
    conn = co_accept(listener, NULL, NULL);
    talk(fd, conn);
    ck_assert_int_eq(co_connect(fd, &good.as.any, good.len), -EISCONN);
    ck_assert_int_eq(co_close(conn), 0);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_close(listener), 0);
}

/* A raw connect(2) is asked: another co_connect might make up for a socket that
 * was left between two states. */
CO_TASK_TEST(failed_connects_leave_the_socket_as_it_was)
{
    static const char *const nowhere[] = {"127.0.0.1:1", "255.255.255.255:1"};
    int listener = co_tcp_listen("127.0.0.1:0", 0);
    co_addr good, bad;

    ck_assert_int_eq(co_addr_tcp(bound_to(listener), &good), 0);
    for (int i = 0; i < 4; i++) {
        int fd = co_socket(AF_INET, SOCK_STREAM, 0);
        int conn, error = -1;
        socklen_t len = sizeof(error);

        ck_assert_int_eq(co_addr_tcp(nowhere[i / 2], &bad), 0);
        ck_assert_int_eq(co_connect(fd, &bad.as.any, bad.len),
                         i / 2 ? -ENETUNREACH : -ECONNREFUSED);
        ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
        ck_assert_int_eq(error, 0);
        if (i % 2) {
            ck_assert(connect(fd, &good.as.any, good.len) == 0 ||
                      errno == EINPROGRESS);
            ck_assert_int_gt(co_wait_fd(fd, CO_WRITABLE), 0);
        } else {
            ck_assert_int_eq(co_connect(fd, &good.as.any, good.len), 0);
        }
        conn = co_accept(listener, NULL, NULL);
        talk(fd, conn);
        /* A connection survives what is refused. */
        if (i % 2 == 0)
            ck_assert_int_eq(co_connect(fd, &bad.as.any, bad.len), -EISCONN);
        talk(fd, conn);
        ck_assert_int_eq(co_close(conn), 0);
        ck_assert_int_eq(co_close(fd), 0);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

/* Cancelled and connected in one turn: it says one of them, and a second call
 * says that it is connected. */
CO_TASK_TEST(a_connect_is_cancelled_in_the_turn_of_its_end)
{
    int listener = co_tcp_listen("127.0.0.1:0", 0);

    ck_assert_int_eq(co_addr_tcp(bound_to(listener), &connect_to), 0);
    for (int i = 0; i < 20; i++) {
        struct call call = {.fd = co_socket(AF_INET, SOCK_STREAM, 0)};
        ssize_t r;
        int conn;

        call_start(&call, call_connect);
        if (i & 1)
            collect_events();
        if (i & 2)
            co_test_yield();
        if (call.result == 12345)
            co_cancel(call.task);
        r = call_result(&call);
        ck_assert(r == 0 || r == -ECANCELED);
        if (r < 0) {
            r = co_connect(call.fd, &connect_to.as.any, connect_to.len);
            ck_assert(r == 0 || r == -EISCONN);
        }
        conn = co_accept(listener, NULL, NULL);
        talk(call.fd, conn);
        ck_assert_int_eq(co_close(conn), 0);
        ck_assert_int_eq(co_close(call.fd), 0);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

/* Behind it nobody answers, and its limit is told from the kernel's. */
CO_TASK_TEST(a_timed_out_connect_goes_on)
{
    int fillers[4], listener = full_listener(fillers, 4, &connect_to);
    int fd = co_socket(AF_INET, SOCK_STREAM, 0);
    struct call joined = {.fd = fd};
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);

    co_timeout(CO_MS)
        ck_assert_int_eq(co_connect(fd, &connect_to.as.any, connect_to.len),
                         -ETIMEDOUT);
    ck_assert_int_eq(connect(fd, &connect_to.as.any, connect_to.len), -1);
    ck_assert_int_eq(errno, EALREADY);
    ck_assert_int_eq(getpeername(fd, (struct sockaddr *)&peer, &len), -1);
    call_start(&joined, call_connect);
    ck_assert(call_waits(&joined));
    co_cancel(joined.task);
    ck_assert_int_eq(call_result(&joined), -ECANCELED);
    ck_assert_int_eq(co_close(fd), 0);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(connect_refuses_bad_input)
{
    co_addr addr;
    int fd = co_socket(AF_INET, SOCK_STREAM, 0);
    int fds[2];

    ck_assert_int_eq(co_addr_tcp("127.0.0.1:1", &addr), 0);
    ck_assert_int_eq(co_connect(-1, &addr.as.any, addr.len), -EBADF);
    ck_assert_int_eq(co_connect(12345, &addr.as.any, addr.len), -EBADF);
    ck_assert_int_eq(co_connect(fd, NULL, addr.len), -EINVAL);
    ck_assert_int_eq(co_connect(fd, &addr.as.any, 0), -EINVAL);
    ck_assert_int_eq(co_connect(fd, &addr.as.any, 8), -EINVAL);
    pipe_pair(fds);
    ck_assert_int_eq(co_connect(fds[0], &addr.as.any, addr.len), -ENOTSOCK);
    close_pair(fds);
    ck_assert_int_eq(co_close(fd), 0);
}

static int call_unix_dial(void *arg)
{
    struct call *call = arg;

    return call_end(call, co_unix_dial(path));
}

CO_TASK_TEST(full_unix_backlog_makes_the_dialler_wait)
{
    int listener = co_unix_listen(path, 1);
    struct call diallers[6], foreign = {.fd = -1};
    int conns = 0;

    for (int i = 0; i < 6; i++) {
        diallers[i] = (struct call){.fd = -1};
        call_start(&diallers[i], call_unix_dial);
    }
    ck_assert(!call_waits(&diallers[0]));
    ck_assert(call_waits(&diallers[5]));
    co_cancel(diallers[5].task);
    ck_assert_int_eq(call_result(&diallers[5]), -ECANCELED);

    foreign.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(co_addr_unix(path, &connect_to), 0);
    call_start(&foreign, call_connect);
    ck_assert(call_waits(&foreign));
    ck_assert_int_eq(fcntl(foreign.fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(co_close(foreign.fd), 0);
    ck_assert_int_eq(call_result(&foreign), -EBADF);

    for (; conns < 5; conns++) {
        int conn = co_accept(listener, NULL, NULL);

        ck_assert_int_ge(conn, 0);
        ck_assert_int_eq(co_close(conn), 0);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_int_ge(call_result(&diallers[i]), 0);
        ck_assert_int_eq(co_close((int)diallers[i].result), 0);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("socket");
    TCase *tc = tcase_create("socket");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, path_make, path_remove);
    tcase_add_test(tc, socket_is_ours);
    tcase_add_test(tc, tcp_dial_reaches_tcp_listen);
    tcase_add_test(tc, any_address_listens_for_both_families);
    tcase_add_test(tc, unix_dial_reaches_unix_listen);
    tcase_add_test(tc, dial_and_listen_refuse_bad_input);
    tcase_add_test(tc, acceptor_waits_for_a_connection);
    tcase_add_test(tc, cancel_neither_loses_nor_leaks_a_connection);
    /* Valgrind's own limit of descriptors loses the connection: it lets the
     * kernel accept, and then closes. */
    if (!RUNNING_ON_VALGRIND)
        tcase_add_test(tc, out_of_descriptors_the_listener_goes_on);
    tcase_add_test(tc, accept_refuses_bad_input);
    tcase_add_test(tc, closing_a_listener_wakes_its_acceptors);
    tcase_add_test(tc, connect_waits_and_can_be_cancelled);
    tcase_add_test(tc, connect_succeeds_when_there_is_room);
    tcase_add_test(tc, refused_connection_leaves_the_socket_usable);
    tcase_add_test(tc, failed_connects_leave_the_socket_as_it_was);
    tcase_add_test(tc, a_connect_is_cancelled_in_the_turn_of_its_end);
    tcase_add_test(tc, a_timed_out_connect_goes_on);
    tcase_add_test(tc, connect_refuses_bad_input);
    tcase_add_test(tc, full_unix_backlog_makes_the_dialler_wait);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
