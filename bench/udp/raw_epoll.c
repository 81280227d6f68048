/* SPDX-License-Identifier: MIT */
/* The smallest echo server of datagrams over epoll: as many as there are by one
 * system call, and back by another one. */
#include "net.h"

#include <errno.h>
#include <sys/epoll.h>

#define BATCH 64
#define ROOM  2048

static struct mmsghdr messages[BATCH];
static struct iovec parts[BATCH];
static struct sockaddr_in senders[BATCH];
static char data[BATCH][ROOM];

static int receive(int fd)
{
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){data[i], ROOM};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &senders[i],
                                              .msg_namelen = sizeof(senders[i]),
                                              .msg_iov = &parts[i],
                                              .msg_iovlen = 1};
    }
    return recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
}

/* What finds no room is lost, as datagrams are. */
static void echo(int fd)
{
    int n;

    do {
        n = receive(fd);
        for (int i = 0; i < n; i++)
            parts[i].iov_len = messages[i].msg_len;
        if (n > 0)
            sendmmsg(fd, messages, (unsigned)n, 0);
    } while (n == BATCH);
}

int main(int argc, char **argv)
{
    int fd = net_bind_udp(net_init(argc, argv));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl");
    for (;;) {
        if (epoll_wait(epoll, &event, 1, -1) == 1)
            echo(fd);
    }
}
