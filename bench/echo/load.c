/* SPDX-License-Identifier: MIT */
/*
 * bench/echo/load.c - holds N connections to each of several echo servers and
 * measures what a message costs the server, as phases.h says.
 *
 * usage: load [-c connections] [-r rounds] [-t seconds a phase] [-m]
 *             name:port:pid ...
 *
 * It prints "P <round> <name> <ns a message>", or with -m, where it only
 * connects and exchanges one message on each connection, "M <name> <bytes a
 * connection>": how much resident memory and page tables the server grew by.
 */
#include "phases.h"

#define MESSAGE        64
#define PATTERN        251 /* prime: messages begin at every offset */
#define CONNECTING_MAX 50  /* first messages under way at a time */

struct connection {
    int fd;
    unsigned offset;   /* of the message under way in the pattern */
    unsigned received; /* bytes of its echo */
};

/* A server's own. */
struct echo {
    int epoll;
    struct connection connections[];
};

static struct phases_options options = {64, 7, 0.5, false};

static char pattern[PATTERN + MESSAGE];
static long to_send, to_receive;

static long server_memory(const struct server *server)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/status", server->pid);
    return bench_memory_bytes(path);
}

static void send_message(struct server *server, struct connection *c)
{
    if (to_send == 0)
        return;
    to_send--;
    c->offset = (c->offset + 1) % PATTERN;
    c->received = 0;
    if (send(c->fd, pattern + c->offset, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
        fail(server, "cannot send");
}

static void receive(struct server *server, void *connection)
{
    struct connection *c = connection;
    char buffer[MESSAGE + 1];
    ssize_t n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        fail(server, "closed a connection");
    if (c->received + (size_t)n > MESSAGE ||
        memcmp(buffer, pattern + c->offset + c->received, (size_t)n) != 0)
        fail(server, "sent a wrong echo");
    c->received += (unsigned)n;
    if (c->received == MESSAGE) {
        to_receive--;
        send_message(server, c);
    }
}

static void pump(struct server *server)
{
    const struct echo *echo = server->own;

    phases_pump(server, echo->epoll, &to_receive, receive);
}

static void connect_all(struct server *server)
{
    int n = options.connections;
    struct echo *echo =
        calloc(1, sizeof(*echo) + (size_t)n * sizeof(struct connection));

    if (!echo)
        bench_die("calloc");
    echo->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->own = echo;
    for (int i = 0; i < n; i++) {
        struct connection *c = &echo->connections[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                    .data = {.ptr = c}};

        c->fd = dial(server);
        c->offset = (unsigned)i % PATTERN;
        if (epoll_ctl(echo->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
            bench_die("epoll_ctl");
        to_send = 1;
        to_receive++;
        send_message(server, c);
        if (to_receive == CONNECTING_MAX || i == n - 1)
            pump(server);
    }
}

static void exchange(struct server *server, long messages)
{
    struct echo *echo = server->own;

    to_send = to_receive = messages;
    for (int i = 0; i < options.connections; i++)
        send_message(server, &echo->connections[i]);
    pump(server);
}

static void measure(struct server *servers, int count)
{
    int n = options.connections;

    for (int i = 0; i < count; i++)
        connect_all(&servers[i]);
    phases_measure(servers, count, options.rounds, options.seconds,
                   n > 32 ? 2L * n : 64, exchange);
}

static void measure_memory(struct server *servers, int count)
{
    for (int i = 0; i < count; i++) {
        long before = server_memory(&servers[i]);

        connect_all(&servers[i]);
        printf("M %s %.1f\n", servers[i].name,
               (double)(server_memory(&servers[i]) - before) /
                   options.connections);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    int count = phases_begin(argc, argv, "c:r:t:m", &options, servers);

    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)(i % PATTERN * 37 + 11);
    if (options.memory)
        measure_memory(servers, count);
    else
        measure(servers, count);
    return 0;
}
