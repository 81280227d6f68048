/* SPDX-License-Identifier: MIT */
/*
 * bench/churn/load.c - what a connection costs servers that accept it, answer
 * one request of HTTP, and end it, as echo/phases.h says. So many connections
 * are under way at a time.
 *
 * usage: churn_load [-c connections] [-r rounds] [-t seconds a phase]
 *                   name:port:pid ...
 */
#include "phases.h"

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n"
                              "Connection: close\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\n";

static struct phases_options options = {64, 7, 0.5, false};

/* One that is under way. */
struct connection {
    int fd;
    size_t received;
};

/* A server's own. */
struct churn {
    int epoll;
    struct connection connections[];
};

static long to_make, to_end;

static void make_one(struct server *server, struct connection *c)
{
    const struct churn *churn = server->own;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                .data = {.ptr = c}};
    ssize_t len = sizeof(request) - 1;

    if (to_make == 0)
        return;
    to_make--;
    c->fd = dial(server);
    c->received = 0;
    if (send(c->fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        fail(server, "cannot be sent to");
    if (epoll_ctl(churn->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        bench_die("epoll_ctl");
}

/* Until the server has ended it. It is reset then, so that there is no state
 * TIME_WAIT for each that was made. */
static void receive(struct server *server, void *connection)
{
    struct connection *c = connection;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    char buffer[1024];
    ssize_t n;

    while ((n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
        if (!c->received && (n < (ssize_t)sizeof(answer) ||
                             memcmp(buffer, answer, sizeof(answer) - 1) != 0))
            fail(server, "answers otherwise");
        c->received += (size_t)n;
    }
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0 || !c->received)
        fail(server, "does not answer");
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(c->fd);
    to_end--;
    make_one(server, c);
}

static void open_churn(struct server *server)
{
    struct churn *churn =
        calloc(1, sizeof(*churn) +
                      (size_t)options.connections * sizeof(struct connection));

    if (!churn)
        bench_die("calloc");
    churn->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->own = churn;
}

static void make_all(struct server *server, long connections)
{
    struct churn *churn;

    if (!server->own)
        open_churn(server);
    churn = server->own;
    to_make = to_end = connections;
    for (int i = 0; i < options.connections; i++)
        make_one(server, &churn->connections[i]);
    phases_pump(server, churn->epoll, &to_end, receive);
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    int count = phases_begin(argc, argv, "c:r:t:", &options, servers);

    phases_measure(servers, count, options.rounds, options.seconds,
                   2L * options.connections, make_all);
    return 0;
}
