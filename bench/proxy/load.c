/* SPDX-License-Identifier: MIT */
/*
 * bench/proxy/load.c - what a KiB costs proxies, as echo/phases.h says. One
 * connection goes through each, from here and back to here.
 *
 * What arrives is counted, and a part of it compared with what was sent; the
 * rest is thrown away in the kernel, so that this end does not hold back.
 *
 * usage: proxy_load -p <port that the proxies dial> [-r rounds]
 *                   [-t seconds a phase] name:port:pid ...
 */
#include "phases.h"

#include <errno.h>
#include <poll.h>

#define MIB      (1024 * 1024)
#define CHUNK    (128 * 1024)
#define CHECKED  4096 /* bytes of each MiB that are compared */
#define STALL_MS 5000

/* A proxy's own: our ends of the connection through it, and bytes so far. */
struct through {
    int to, from;
    uint64_t sent, received;
};

static char pattern[MIB + CHUNK]; /* what is at each offset, modulo MIB */
static int listener;

static void wait_readable(const struct server *server, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (poll(&p, 1, STALL_MS) < 1)
        fail(server, "does not dial");
}

/* The connection that a first byte comes out of: others are left from who has
 * tried whether the proxy is there. */
static int accept_through(const struct server *server)
{
    for (;;) {
        char byte;
        int fd;

        wait_readable(server, listener);
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        wait_readable(server, fd);
        if (recv(fd, &byte, 1, 0) == 1)
            return fd;
        close(fd);
    }
}

static void open_through(struct server *server)
{
    struct through *own = calloc(1, sizeof(*own));

    if (!own)
        bench_die("calloc");
    own->to = dial(server);
    if (send(own->to, "!", 1, MSG_NOSIGNAL) != 1)
        fail(server, "cannot be sent to");
    own->from = accept_through(server);
    server->own = own;
}

static bool give(struct server *server, uint64_t end)
{
    struct through *own = server->own;
    uint64_t left = end - own->sent;
    ssize_t n;

    if (!left)
        return false;
    n = send(own->to, pattern + own->sent % MIB, left < CHUNK ? left : CHUNK,
             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        fail(server, "cannot be sent to");
    if (n > 0)
        own->sent += (uint64_t)n;
    return n > 0;
}

static bool take(struct server *server)
{
    static char got[CHECKED];
    struct through *own = server->own;
    uint64_t at = own->received % MIB;
    bool checked = at < CHECKED;
    ssize_t n = recv(own->from, got, checked ? CHECKED - at : MIB - at,
                     MSG_DONTWAIT | (checked ? 0 : MSG_TRUNC));

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        fail(server, "closed a connection");
    if (checked && memcmp(got, pattern + at, (size_t)n) != 0)
        fail(server, "passed on something else");
    own->received += (uint64_t)n;
    return true;
}

static void pump(struct server *server, long kib)
{
    struct through *own = server->own;
    uint64_t end;

    if (!own) {
        open_through(server);
        own = server->own;
    }
    end = own->sent + (uint64_t)kib * 1024;
    while (own->received < end) {
        struct pollfd both[2] = {{.fd = own->from, .events = POLLIN},
                                 {.fd = own->to, .events = POLLOUT}};
        bool gave = give(server, end), took = take(server);

        if (!gave && !took && poll(both, own->sent < end ? 2 : 1, STALL_MS) < 1)
            fail(server, "stalled");
    }
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    char *init[] = {argv[0], "0", NULL};
    int count = 0, option, port = 0, rounds = 7;
    double seconds = 0.5;

    while ((option = getopt(argc, argv, "p:r:t:")) != -1) {
        switch (option) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'r':
            rounds = atoi(optarg);
            break;
        case 't':
            seconds = atof(optarg);
            break;
        default:
            return 2;
        }
    }
    net_init(2, init);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)(i % MIB * 2654435761u >> 13);
    listener = net_listen(port);
    for (; optind < argc && count < SERVERS_MAX; optind++)
        parse_server(&servers[count++], argv[optind]);
    phases_measure(servers, count, rounds, seconds, 4096, pump);
    return 0;
}
