/* SPDX-License-Identifier: MIT */
/*
 * bench/udp/load.c - what a datagram costs echo servers of UDP, as
 * echo/phases.h says. Each of the sockets has one datagram under way.
 *
 * usage: udp_load [-c sockets] [-r rounds] [-t seconds a phase]
 *                 name:port:pid ...
 */
#include "phases.h"

#include <errno.h>
#include <sys/epoll.h>

#define MESSAGE    64
#define EVENTS_MAX 512
#define STALL_MS   5000

static struct {
    int sockets;
    int rounds;
    double seconds;
} options = {64, 7, 0.5};

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
        calloc(1, sizeof(*own) + (size_t)options.sockets * sizeof(int));

    if (!own)
        bench_die("calloc");
    own->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < options.sockets; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                    .data = {.fd = fd}};

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

static void receive(const struct server *server, int fd)
{
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
    static struct epoll_event events[EVENTS_MAX];
    struct sockets *own = server->own;

    if (!own)
        server->own = own = open_sockets(server);
    to_send = to_receive = messages;
    for (int i = 0; i < options.sockets; i++)
        send_one(server, own->fds[i]);
    while (to_receive > 0) {
        int n = epoll_wait(own->epoll, events, EVENTS_MAX, STALL_MS);

        if (n < 0 && errno != EINTR)
            bench_die("epoll_wait");
        if (n == 0)
            fail(server, "has lost a datagram");
        for (int i = 0; i < n; i++)
            receive(server, events[i].data.fd);
    }
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    char *init[] = {argv[0], "0", NULL};
    int count = 0, option;

    while ((option = getopt(argc, argv, "c:r:t:")) != -1) {
        switch (option) {
        case 'c':
            options.sockets = atoi(optarg);
            break;
        case 'r':
            options.rounds = atoi(optarg);
            break;
        case 't':
            options.seconds = atof(optarg);
            break;
        default:
            return 2;
        }
    }
    net_init(2, init);
    for (; optind < argc && count < SERVERS_MAX; optind++)
        parse_server(&servers[count++], argv[optind]);
    phases_measure(servers, count, options.rounds, options.seconds,
                   2L * options.sockets, exchange);
    return 0;
}
