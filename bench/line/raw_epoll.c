/* SPDX-License-Identifier: MIT */
/*
 * The smallest server that sends lines back, over epoll: it reads into one
 * buffer, looks for each line's end, and copies the line to a second one, which
 * it sends when the first is used up. A line in pieces is refused, and so is
 * one that the socket does not take: they do not occur here, and who handles
 * them needs a buffer for each connection.
 */
#include "net.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define EVENTS_MAX 256

static int epoll, listener;
static char in[NET_BUFFER], out[NET_BUFFER];

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
                                .data = {.fd = fd}};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl");
}

static void accept_all(void)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0)
        watch(fd);
}

/* False if the connection has ended. */
static bool serve(int fd, unsigned events)
{
    do {
        ssize_t n = recv(fd, in, sizeof(in), 0);
        size_t at = 0, held = 0;
        const char *end;

        if (n < 0)
            return errno == EAGAIN;
        while ((end = memchr(in + at, '\n', (size_t)n - at))) {
            size_t len = (size_t)(end - in) + 1 - at;

            memcpy(out + held, in + at, len);
            held += len;
            at += len;
        }
        if (n == 0 || at < (size_t)n ||
            send(fd, out, held, MSG_NOSIGNAL) != (ssize_t)held)
            return false;
    } while (events & EPOLLRDHUP);
    return true;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_MAX];

    listener = net_listen(net_init(argc, argv));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(listener);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == listener)
                accept_all();
            else if (!serve(fd, events[i].events))
                close(fd);
        }
    }
}
