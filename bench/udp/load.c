/* SPDX-License-Identifier: MIT */
/*
 * bench/udp/load.c - what a datagram costs echo servers of UDP, as
 * echo/phases.h says. Each of the sockets has one datagram under way.
 *
 * usage: udp_load [-c sockets] [-r rounds] [-t seconds a phase]
 *                 name:port:pid ...
 */
#include "phases.h"

#define MESSAGE 64

static struct phases_options options = {64, 7, 0.5, false};

/* A server's own. */
struct sockets {
    int epoll;
    int fds[];
};

/* What is sent: the same number comes back. */
struct message {
    long number;
    char rest[MESSAGE - sizeof(long)];
};

static long to_send, to_receive;

static struct sockets *open_sockets(const struct server *server)
{
    struct sockaddr_in to = net_loopback(server->port);
    struct sockets *own =
        calloc(1, sizeof(*own) + (size_t)options.connections * sizeof(int));

    if (!own)
        bench_die("calloc");
    own->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < options.connections; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                    .data = {.ptr = &own->fds[i]}};

        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
            bench_die("socket");
        if (epoll_ctl(own->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            bench_die("epoll_ctl");
        own->fds[i] = fd;
    }
    return own;
}

static void send_one(const struct server *server, int fd)
{
    struct message message = {.number = to_send};

    if (to_send == 0)
        return;
    to_send--;
    if (send(fd, &message, sizeof(message), 0) != sizeof(message))
        fail(server, "cannot be sent to");
}

static void receive(struct server *server, void *socket_of)
{
    int fd = *(const int *)socket_of;
    struct message message;
    ssize_t n = recv(fd, &message, sizeof(message), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n != sizeof(message) || message.number < 1)
        fail(server, "sent a wrong echo");
    to_receive--;
    send_one(server, fd);
}

static void exchange(struct server *server, long messages)
{
    struct sockets *own = server->own;

    if (!own)
        server->own = own = open_sockets(server);
    to_send = to_receive = messages;
    for (int i = 0; i < options.connections; i++)
        send_one(server, own->fds[i]);
    phases_pump(server, own->epoll, &to_receive, receive);
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    int count = phases_begin(argc, argv, "c:r:t:", &options, servers);

    phases_measure(servers, count, options.rounds, options.seconds,
                   2L * options.connections, exchange);
    return 0;
}
