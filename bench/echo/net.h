/* SPDX-License-Identifier: MIT */
/* bench/echo/net.h - the listener that all echo servers written in C use. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define NET_BACKLOG 4096
#define NET_BUFFER  16384

/* The port from the command line; as many descriptors as the system allows. */
BENCH_UNUSED static inline int net_init(int argc, char **argv)
{
    struct rlimit limit;

    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        exit(2);
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return atoi(argv[1]);
}

BENCH_UNUSED static inline struct sockaddr_in net_loopback(int port)
{
    struct sockaddr_in address;

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* What every server of accept_churn says; the body is 64 bytes. */
#define NET_ANSWER                                                             \
    "HTTP/1.1 200 OK\r\nContent-Length: 64\r\nConnection: close\r\n\r\n"       \
    "0123456789012345678901234567890123456789012345678901234567890123"

/* Whether so much of a request is all of it. */
BENCH_UNUSED static inline int net_is_request(const char *data, size_t len)
{
    return len >= 4 && memcmp(data + len - 4, "\r\n\r\n", 4) == 0;
}

BENCH_UNUSED static inline int net_bind_udp(int port)
{
    struct sockaddr_in address = net_loopback(port);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        bench_die("socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        bench_die("bind");
    return fd;
}

/* Accepted connections inherit TCP_NODELAY. */
BENCH_UNUSED static inline int net_listen(int port)
{
    struct sockaddr_in address = net_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        bench_die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, NET_BACKLOG) < 0)
        bench_die("bind");
    return fd;
}

#endif
