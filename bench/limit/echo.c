/* SPDX-License-Identifier: MIT */
/*
 * The echo server of raw_epoll.c with one of the smallest tasks a connection:
 * what stacks and switches add to it.
 */
#include "limit.h"
#include "net.h"

#include <errno.h>

#define READ_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

static int listener;

static void wait_for_event(struct limit_task *self)
{
    self->waiting = true;
    limit_block();
}

static void serve(void *arg)
{
    struct limit_task *self = limit_current;
    static char buffer[NET_BUFFER]; /* no task waits while it holds this */

    (void)arg;
    for (;;) {
        ssize_t n;

        while (!(self->events & READ_EVENTS))
            wait_for_event(self);
        n = recv(self->fd, buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EAGAIN) {
            self->events &= ~(unsigned)EPOLLIN;
            continue;
        }
        /* A message is small: what the socket does not take is a failure. */
        if (n <= 0 || send(self->fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
            break;
        if ((size_t)n < sizeof(buffer))
            self->events &= ~(unsigned)EPOLLIN;
    }
    close(self->fd);
    self->next = limit_free;
    limit_free = self;
}

static void accept_all(void)
{
    struct epoll_event event;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct limit_task *task = limit_spawn(serve, NULL);

        task->fd = fd;
        task->events = 0;
        task->waiting = false;
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.ptr = task;
        epoll_ctl(limit_epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void limit_events(const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        struct limit_task *task = events[i].data.ptr;

        if (!task) {
            accept_all();
            continue;
        }
        task->events |= events[i].events;
        if (task->waiting && (events[i].events & READ_EVENTS)) {
            task->waiting = false;
            limit_ready(task);
        }
    }
}

static void limit_idle(void)
{
    static struct epoll_event events[LIMIT_EVENTS_MAX];
    int n = epoll_wait(limit_epoll, events, LIMIT_EVENTS_MAX, -1);

    limit_polled = bench_now_ns();
    if (n > 0)
        limit_events(events, n);
}

int main(int argc, char **argv)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};

    listener = net_listen(net_init(argc, argv));
    limit_guards = true;
    limit_init();
    epoll_ctl(limit_epoll, EPOLL_CTL_ADD, listener, &event);
    limit_block();
    return 1;
}
