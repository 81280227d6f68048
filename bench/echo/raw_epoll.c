/* SPDX-License-Identifier: MIT */
/*
 * The smallest echo server over epoll: descriptors are registered once, edge-
 * triggered; a short read means drained. Replies that do not fit into the
 * socket are kept per descriptor. This is what the echo rows are divided by.
 */
#include "net.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define FDS_MAX    32768
#define EVENTS_MAX 256

static int epoll, listener;
static char buffer[NET_BUFFER];

/* What is still to be sent; data is NULL while nothing is. */
static struct {
    char *data;
    size_t len;
} pending[FDS_MAX];

static void watch(int fd, unsigned events)
{
    struct epoll_event event = {.events = events, .data = {.fd = fd}};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl");
}

static void hang_up(int fd)
{
    free(pending[fd].data);
    pending[fd].data = NULL;
    close(fd);
}

static void accept_all(void)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        if (fd >= FDS_MAX)
            close(fd);
        else
            watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
}

/* Send, and keep what does not fit. False if the connection is gone. */
static bool put(int fd, const char *data, size_t len)
{
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

    if (n == (ssize_t)len)
        return true;
    if (n < 0) {
        if (errno != EAGAIN)
            return false;
        n = 0;
    }
    pending[fd].len = len - (size_t)n;
    pending[fd].data = malloc(pending[fd].len);
    if (!pending[fd].data)
        return false;
    memcpy(pending[fd].data, data + n, pending[fd].len);
    return true;
}

static bool flush(int fd)
{
    char *data = pending[fd].data;
    bool alive;

    pending[fd].data = NULL;
    alive = put(fd, data, pending[fd].len);
    free(data);
    return alive;
}

static bool echo(int fd, unsigned events)
{
    while (!pending[fd].data) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

        if (n < 0)
            return errno == EAGAIN;
        if (n == 0 || !put(fd, buffer, (size_t)n))
            return false;
        if ((size_t)n < sizeof(buffer) && !(events & EPOLLRDHUP))
            return true;
    }
    return true;
}

static void serve(int fd, unsigned events)
{
    if (pending[fd].data && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
        if (!flush(fd)) {
            hang_up(fd);
            return;
        }
        events |= EPOLLIN; /* an edge may have come while we were sending */
    }
    if ((events & ~(unsigned)EPOLLOUT) && !echo(fd, events))
        hang_up(fd);
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_MAX];

    listener = net_listen(net_init(argc, argv));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, EPOLLIN);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all();
            else
                serve(events[i].data.fd, events[i].events);
        }
    }
}
