/* SPDX-License-Identifier: MIT */
/* connect(2) and accept(2), in tasks. */
#include "hook/hook_support.h"

#include "support/port.h"
#include "support/virtual_clock.h"

#include <stdlib.h>

int __connect(int fd, const struct sockaddr *addr, socklen_t addr_len);

static struct sockaddr_storage addr;
static socklen_t addr_len;

static ssize_t by_accept(struct hook_call *c)
{
    return accept(c->fd, NULL, NULL);
}

static ssize_t by_accept4(struct hook_call *c)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);

    return accept4(c->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
}

static ssize_t by_connect(struct hook_call *c)
{
    return connect(c->fd, (struct sockaddr *)&addr, addr_len);
}

static int listen_tcp(void)
{
    int listener;

    addr_len = hook_listen(&listener, (struct sockaddr_in *)&addr);
    return listener;
}

static int tcp(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void accept_is(ssize_t (*fn)(struct hook_call *call))
{
    struct hook_call call = {.fn = fn, .fd = listen_tcp()};
    int fd = tcp();

    hook_begin_waiting(&call);
    ck_assert_int_eq(hook_is_nonblocking(call.fd), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, addr_len), 0);
    ck_assert_int_ge(hook_end(&call), 0);
    ck_assert_int_eq(hook_is_nonblocking((int)call.result), 0);
    close((int)call.result);
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_begin_waiting(&call);
    close(call.fd);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    ck_assert_int_eq(hook_do(&call), -EBADF);
    call.fd = fd;
    ck_assert_int_eq(hook_do(&call), -EINVAL); /* it does not listen */
    close(fd);
}

CO_TASK_TEST(accept_parks)
{
    accept_is(by_accept);
}

CO_TASK_TEST(accept4_parks)
{
    accept_is(by_accept4);
}

CO_TASK_TEST(a_non_blocking_listener_says_eagain)
{
    struct hook_call call = {.fn = by_accept, .fd = listen_tcp()};

    hook_set_nonblocking(call.fd);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    call.fn = by_accept4;
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_eq(hook_is_nonblocking(call.fd), 1);
    close(call.fd);
}

CO_TASK_TEST(so_rcvtimeo_limits_accept)
{
    struct hook_call call = {.fn = by_accept, .fd = listen_tcp()};

    hook_limit(call.fd, SO_RCVTIMEO, 40);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_eq(co_test_clock_elapsed(), 40 * CO_MS);
    close(call.fd);
}

CO_TASK_TEST(a_connection_is_made)
{
    int listener = listen_tcp();
    int fd = tcp();

    ck_assert_int_eq(__connect(fd, (struct sockaddr *)&addr, addr_len), 0);
    ck_assert_int_eq(hook_is_nonblocking(fd), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, addr_len), -1);
    ck_assert_int_eq(errno, EISCONN);
    close(fd);
    close(listener);
}

CO_TASK_TEST(a_refused_connection_is_econnrefused)
{
    struct hook_call call = {.fn = by_connect};

    close(listen_tcp());
    ((struct sockaddr_in *)&addr)->sin_port = htons((in_port_t)co_test_port());
    call.fd = tcp();
    ck_assert_int_eq(hook_do(&call), -ECONNREFUSED);
    ck_assert_int_eq(hook_is_nonblocking(call.fd), 0);
    ck_assert_int_eq(hook_do(&call), -ECONNREFUSED); /* once more */
    close(call.fd);
    ck_assert_int_eq(hook_do(&call), -EBADF);
}

/* A listener whose queue is full answers nothing. Returns it; `fds` are those
 * that fill it. */
#define FILLERS 4

static int listen_full(int fds[FILLERS])
{
    int listener = listen_tcp();

    ck_assert_int_eq(listen(listener, 0), 0);
    for (int i = 0; i < FILLERS; i++) {
        fds[i] = tcp();
        hook_set_nonblocking(fds[i]);
        (void)!connect(fds[i], (struct sockaddr *)&addr, addr_len);
    }
    return listener;
}

static void close_full(int listener, const int fds[FILLERS])
{
    for (int i = 0; i < FILLERS; i++)
        close(fds[i]);
    close(listener);
}

CO_TASK_TEST(a_connection_under_way_parks_its_task)
{
    int fds[FILLERS], listener = listen_full(fds);
    struct hook_call call = {.fn = by_connect, .fd = tcp()};

    hook_begin_waiting(&call);
    ck_assert_int_eq(hook_is_nonblocking(call.fd), 0);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    close(call.fd);

    call.fd = tcp();
    co_timeout(CO_MS)
        ck_assert_int_eq(hook_do(&call), -ETIMEDOUT);
    close(call.fd);

    call.fd = tcp();
    hook_begin_waiting(&call);
    close(call.fd);
    ck_assert_int_eq(hook_end(&call), -EBADF);

    call.fd = tcp();
    hook_set_nonblocking(call.fd);
    ck_assert_int_eq(hook_do(&call), -EINPROGRESS);
    close(call.fd);

    /* connect(2) says so of SO_SNDTIMEO. */
    call.fd = tcp();
    hook_limit(call.fd, SO_SNDTIMEO, 20);
    ck_assert_int_eq(hook_do(&call), -EINPROGRESS);
    close(call.fd);
    close_full(listener, fds);
}

/* "AF_UNIX connect with a full backlog gives EAGAIN". */
#define CLIENTS 20

static int listen_unix(void)
{
    struct sockaddr_un *name = (struct sockaddr_un *)&addr;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(&addr, 0, sizeof(addr));
    name->sun_family = AF_UNIX; /* the system gives it a name */
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(short)),
                     0);
    addr_len = sizeof(addr);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&addr, &addr_len),
                     0);
    ck_assert_int_eq(listen(listener, 2), 0);
    return listener;
}

CO_TASK_TEST(clients_of_a_full_unix_listener_all_get_in)
{
    struct hook_call calls[CLIENTS];
    int listener = listen_unix(), waits = 0;

    for (int i = 0; i < CLIENTS; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        calls[i] = (struct hook_call){.fn = by_connect, .fd = fd};
        hook_begin(&calls[i]);
        waits += hook_waits(&calls[i]);
    }
    ck_assert_int_ge(waits, CLIENTS - 4);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = accept(listener, NULL, NULL);

        ck_assert_int_ge(fd, 0);
        close(fd);
    }
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(hook_end(&calls[i]), 0);
        ck_assert_int_eq(hook_is_nonblocking(calls[i].fd), 0);
        close(calls[i].fd);
    }
    close(listener);
}

CO_TASK_TEST(so_sndtimeo_limits_a_unix_connect_too)
{
    int listener = listen_unix(), fds[3];
    struct hook_call call = {.fn = by_connect};

    for (int i = 0; i < 3; i++) {
        call.fd = fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(hook_do(&call), 0);
    }
    call.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    hook_limit(call.fd, SO_SNDTIMEO, 40);
    co_timeout(CO_SEC)
        ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_eq(co_test_clock_elapsed(), 40 * CO_MS);
    close(call.fd);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(listener);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.connect");
    TCase *tc = hook_case(s, "connect");

    tcase_add_test(tc, accept_parks);
    tcase_add_test(tc, accept4_parks);
    tcase_add_test(tc, a_non_blocking_listener_says_eagain);
    tcase_add_test(tc, a_connection_is_made);
    tcase_add_test(tc, a_refused_connection_is_econnrefused);
    tcase_add_test(tc, a_connection_under_way_parks_its_task);
    tcase_add_test(tc, clients_of_a_full_unix_listener_all_get_in);

    tc = hook_case(s, "time");
    co_test_virtual_clock(tc);
    tcase_add_test(tc, so_rcvtimeo_limits_accept);
    tcase_add_test(tc, so_sndtimeo_limits_a_unix_connect_too);
    return s;
}

CO_TEST_MAIN(suite)
