/* SPDX-License-Identifier: MIT */
/*
 * bench/line/load.c - what a line costs servers that send back each line that
 * they read, as echo/phases.h says. Each connection has several lines under
 * way, which come together, and the next when all of them are back.
 *
 * usage: line_load [-c connections] [-r rounds] [-t seconds a phase]
 *                  name:port:pid ...
 */
#include "phases.h"

#define LINE  64 /* with its end */
#define LINES 8  /* under way on a connection */
#define BATCH (LINE * LINES)

static struct phases_options options = {64, 7, 0.5, false};

struct connection {
    int fd;
    unsigned received; /* of the batch under way */
};

/* A server's own. */
struct lines {
    int epoll;
    struct connection connections[];
};

static char batch[BATCH];
static long to_send, to_receive; /* batches */

static void send_batch(struct server *server, struct connection *c)
{
    if (to_send == 0)
        return;
    to_send--;
    c->received = 0;
    if (send(c->fd, batch, BATCH, MSG_NOSIGNAL) != BATCH)
        fail(server, "cannot be sent to");
}

static void receive(struct server *server, void *connection)
{
    struct connection *c = connection;
    char got[BATCH + 1];
    ssize_t n;

    while ((n = recv(c->fd, got, sizeof(got), MSG_DONTWAIT)) > 0) {
        if (c->received + (size_t)n > BATCH ||
            memcmp(got, batch + c->received, (size_t)n) != 0)
            fail(server, "sent back something else");
        c->received += (unsigned)n;
        if (c->received == BATCH) {
            to_receive--;
            send_batch(server, c);
            return;
        }
    }
    if (n == 0 || errno != EAGAIN)
        fail(server, "closed a connection");
}

static void open_lines(struct server *server)
{
    struct lines *lines =
        calloc(1, sizeof(*lines) +
                      (size_t)options.connections * sizeof(struct connection));

    if (!lines)
        bench_die("calloc");
    lines->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < options.connections; i++) {
        struct connection *c = &lines->connections[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                    .data = {.ptr = c}};

        c->fd = dial(server);
        if (epoll_ctl(lines->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
            bench_die("epoll_ctl");
    }
    server->own = lines;
}

static void exchange(struct server *server, long count)
{
    struct lines *lines;

    if (!server->own)
        open_lines(server);
    lines = server->own;
    to_send = to_receive = count / LINES;
    for (int i = 0; i < options.connections; i++)
        send_batch(server, &lines->connections[i]);
    phases_pump(server, lines->epoll, &to_receive, receive);
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    int count = phases_begin(argc, argv, "c:r:t:", &options, servers);

    for (int i = 0; i < BATCH; i++)
        batch[i] = (i + 1) % LINE ? (char)('a' + (i + i / LINE) % 26) : '\n';
    phases_measure(servers, count, options.rounds, options.seconds,
                   (long)LINES * options.connections, exchange);
    return 0;
}
