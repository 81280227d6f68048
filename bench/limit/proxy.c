/* SPDX-License-Identifier: MIT */
/*
 * The smallest proxy: one direction of one connection at a time, through a pipe
 * by splice(2), and without epoll, since there is but one thing to wait for.
 * What a proxy cannot avoid here.
 */
#include "net.h"

#include <errno.h>
#include <poll.h>

#define PIPE_BYTES 65536

static void wait_for(int fd, int events)
{
    struct pollfd p = {.fd = fd, .events = (short)events};

    poll(&p, 1, -1);
}

/* splice(2), waiting for the one of both that is not ready. */
static ssize_t move(int from, int to, size_t len, int socket, int events)
{
    ssize_t n;

    while ((n = splice(from, NULL, to, NULL, len,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK)) < 0 &&
           errno == EAGAIN)
        wait_for(socket, events);
    return n;
}

static void pass_on(int from, int to)
{
    int ends[2];
    ssize_t n;

    if (pipe2(ends, O_CLOEXEC) < 0)
        bench_die("pipe2");
    while ((n = move(from, ends[1], PIPE_BYTES, from, POLLIN)) > 0) {
        while (n > 0) {
            ssize_t m = move(ends[0], to, (size_t)n, to, POLLOUT);

            if (m <= 0)
                break;
            n -= m;
        }
    }
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv)
{
    struct sockaddr_in target;
    int listener;

    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT TARGET\n", argv[0]);
        return 2;
    }
    target = net_loopback(atoi(argv[2]));
    listener = net_listen(net_init(2, argv));
    for (;;) {
        int from, to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        wait_for(listener, POLLIN);
        from = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (to < 0)
            bench_die("socket");
        if (connect(to, (struct sockaddr *)&target, sizeof(target)) == 0 &&
            fcntl(to, F_SETFL, O_NONBLOCK) == 0)
            pass_on(from, to);
        close(from);
        close(to);
    }
}
