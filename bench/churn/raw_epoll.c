/* SPDX-License-Identifier: MIT */
/*
 * The smallest server over epoll that answers one request a connection and ends
 * it. The request has mostly come when the connection is accepted; only one
 * that has not is watched.
 */
#include "net.h"

#include <errno.h>
#include <sys/epoll.h>

#define EVENTS_MAX 256

static int epoll, listener;
static char buffer[NET_BUFFER];

/* 1 if the connection has to be watched. A request in pieces is refused. */
static int serve(int fd)
{
    ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

    if (n < 0 && errno == EAGAIN)
        return 1;
    if (n > 0 && net_is_request(buffer, (size_t)n))
        (void)!send(fd, NET_ANSWER, sizeof(NET_ANSWER) - 1, MSG_NOSIGNAL);
    close(fd);
    return 0;
}

static void accept_all(void)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};

        if (serve(fd) && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            bench_die("epoll_ctl");
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_MAX];
    struct epoll_event event = {.events = EPOLLIN};

    listener = net_listen(net_init(argc, argv));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = listener;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        bench_die("epoll_ctl");
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all();
            else
                serve(events[i].data.fd);
        }
    }
}
