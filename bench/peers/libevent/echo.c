/* SPDX-License-Identifier: MIT */
/*
 * libevent at its best: a plain event a connection; bufferevents
 * cost half as much again.
 */
#include "net.h"

#include <errno.h>
#include <event2/event.h>

static char buffer[NET_BUFFER];

static void readable(evutil_socket_t fd, short what, void *arg)
{
    struct event *event = event_base_get_running_event(arg);

    (void)what;
    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

        if (n < 0 && errno == EAGAIN)
            return;
        /* A message is small: what the socket does not take is a failure. */
        if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
            break;
        if ((size_t)n < sizeof(buffer))
            return;
    }
    event_free(event);
    close(fd);
}

static void connected(evutil_socket_t listener, short what, void *arg)
{
    int fd;

    (void)what;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct event *event =
            event_new(arg, fd, EV_READ | EV_PERSIST, readable, arg);

        if (!event || event_add(event, NULL) < 0)
            bench_die("event_add");
    }
}

int main(int argc, char **argv)
{
    int port = net_init(argc, argv);
    struct event_base *base = event_base_new();
    struct event *event;

    event = event_new(base, net_listen(port), EV_READ | EV_PERSIST, connected,
                      base);
    event_add(event, NULL);
    return event_base_dispatch(base);
}
