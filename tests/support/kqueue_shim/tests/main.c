/* SPDX-License-Identifier: MIT */
#include "shim_tests.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

int kq;
struct kevent events[EVENTS];

int change(uintptr_t ident, short filter, unsigned flags, unsigned fflags,
           void *udata)
{
    struct kevent k;

    EV_SET(&k, ident, filter, (unsigned short)flags, fflags, 0, udata);
    return kevent(kq, &k, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

int look(void)
{
    const struct timespec at_once = {0};

    return kevent(kq, NULL, 0, events, EVENTS, &at_once);
}

int await(void)
{
    const struct timespec limit = {.tv_sec = 5};

    return kevent(kq, NULL, 0, events, EVENTS, &limit);
}

const struct kevent *event_of(uintptr_t ident, short filter, int count)
{
    for (int i = 0; i < count; i++)
        if (events[i].ident == ident && events[i].filter == filter)
            return &events[i];
    return NULL;
}

void pair_make(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
}

void pipe_make(int fds[2])
{
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

void tcp_make(int fds[2], int *listener)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    socklen_t length = sizeof(to);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&to, &length), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&to, sizeof(to)), 0);
    fds[1] = -1;
    if (listener) {
        *listener = fd;
        return;
    }
    fds[1] = accept(fd, NULL, NULL);
    close(fd);
}

void close_both(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

void put(int fd, size_t bytes)
{
    static const char zeros[4096];

    ck_assert_int_eq((int)write(fd, zeros, bytes), (int)bytes);
}

void fill(int fd)
{
    static const char zeros[4096];

    while (write(fd, zeros, sizeof(zeros)) > 0)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
}

static void queue_made(void)
{
    kq = kqueue();
    ck_assert_int_ge(kq, 0);
}

static void queue_closed(void)
{
    ck_assert_int_eq(close(kq), 0);
}

static Suite *suite(void)
{
    static void (*const parts[])(TCase *) = {
        add_queue,
        add_flags,
        add_descriptors,
        add_others,
    };
    static const char *const names[] = {"kevent", "flags", "descriptors",
                                        "others"};
    Suite *s = suite_create("kqueue_shim");

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        TCase *tc = tcase_create(names[i]);

        co_test_check_fds(tc);
        tcase_add_checked_fixture(tc, queue_made, queue_closed);
        parts[i](tc);
        suite_add_tcase(s, tc);
    }
    return s;
}

CO_TEST_MAIN(suite)
