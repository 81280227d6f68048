/* SPDX-License-Identifier: MIT */
/*
 * bench/echo/load.c - holds N connections to each of several echo servers and
 * measures what a message costs the server.
 *
 * Requests a second say little on loopback, where the client works as hard as
 * the server; so the figure is the CPU time of the server's process. And since
 * a machine is never quite the same a minute later, all servers are measured in
 * turn, A B C A B C, in one process with the connections kept open: only the
 * ratios within a round are compared. A round in which somebody else held a
 * CPU for long is thrown away and done again, as often as there are rounds.
 *
 * usage: load [-c connections] [-r rounds] [-t seconds a phase] [-m]
 *             name:port:pid ...
 *
 * It prints "P <round> <name> <ns a message>", or with -m, where it only
 * connects and exchanges one message on each connection, "M <name> <bytes a
 * connection>": how much resident memory and page tables the server grew by.
 */
#include "net.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define MESSAGE        64
#define PATTERN        251 /* prime: messages begin at every offset */
#define SERVERS_MAX    16
#define EVENTS_MAX     512
#define SOURCES        16 /* addresses 127.0.0.2 and on */
#define CONNECTING_MAX 50 /* first messages under way at a time */
#define STALL_MS       5000
#define DISTURBED      0.04  /* share of a phase spent waiting for a CPU */
#define PAUSE_US       20000 /* between phases, so that servers go idle */

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

struct connection {
    int fd;
    unsigned offset;   /* of the message under way in the pattern */
    unsigned received; /* bytes of its echo */
};

struct server {
    const char *name;
    int port;
    int pid;
    clockid_t clock;
    int epoll;
    long phase_messages;
    struct connection *connections;
};

struct phase {
    double ns; /* server CPU a message */
    double seconds;
    double disturbed; /* the larger share of server and load */
};

static struct {
    int connections;
    int rounds;
    double seconds;
    bool memory;
} options = {64, 7, 0.5, false};

static char pattern[PATTERN + MESSAGE];
static long to_send, to_receive;

static void fail(const struct server *server, const char *what)
{
    fprintf(stderr, "load: %s: %s\n", server->name, what);
    exit(1);
}

/* Nanoseconds that a process was ready but had no CPU. */
static int64_t waited_ns(const char *pid)
{
    char path[64];
    long long ran, waited = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
    f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%lld %lld", &ran, &waited) != 2)
        waited = 0;
    fclose(f);
    return waited;
}

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

static void receive(struct server *server, struct connection *c)
{
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
    static struct epoll_event events[EVENTS_MAX];

    while (to_receive > 0) {
        int n = epoll_wait(server->epoll, events, EVENTS_MAX, STALL_MS);

        if (n < 0 && errno != EINTR)
            bench_die("epoll_wait");
        if (n == 0)
            fail(server, "stalled");
        for (int i = 0; i < n; i++)
            receive(server, events[i].data.ptr);
    }
}

/* One source address has too few ports for the connections of all rounds. */
static int dial(const struct server *server)
{
    static unsigned dialled;
    struct sockaddr_in to = net_loopback(server->port);
    struct sockaddr_in from = net_loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        bench_die("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + dialled++ % SOURCES);
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
        bench_die("bind");
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        fail(server, "cannot connect");
    return fd;
}

static void connect_all(struct server *server)
{
    int n = options.connections;

    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->connections = calloc((size_t)n, sizeof(struct connection));
    if (!server->connections)
        bench_die("calloc");
    for (int i = 0; i < n; i++) {
        struct connection *c = &server->connections[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                    .data = {.ptr = c}};

        c->fd = dial(server);
        c->offset = (unsigned)i % PATTERN;
        if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
            bench_die("epoll_ctl");
        to_send = 1;
        to_receive++;
        send_message(server, c);
        if (to_receive == CONNECTING_MAX || i == n - 1)
            pump(server);
    }
}

/* The clock stands still when the server has nothing left to do. */
static int64_t settled_cpu_ns(const struct server *server)
{
    int64_t now = bench_clock(server->clock), last;

    for (int i = 0; i < 50; i++) {
        usleep(500);
        last = now;
        now = bench_clock(server->clock);
        if (now == last)
            break;
    }
    return now;
}

static struct phase run_phase(struct server *server, long messages)
{
    char pid[16];
    struct phase phase;
    int64_t cpu, start, server_waited, load_waited;
    double ns;

    snprintf(pid, sizeof(pid), "%d", server->pid);
    cpu = settled_cpu_ns(server);
    server_waited = waited_ns(pid);
    load_waited = waited_ns("self");
    start = bench_now_ns();

    to_send = to_receive = messages;
    for (int i = 0; i < options.connections; i++)
        send_message(server, &server->connections[i]);
    pump(server);

    ns = (double)(bench_now_ns() - start);
    server_waited = waited_ns(pid) - server_waited;
    load_waited = waited_ns("self") - load_waited;
    phase.seconds = ns / 1e9;
    phase.disturbed =
        (double)(server_waited > load_waited ? server_waited : load_waited) /
        ns;
    phase.ns = (double)(settled_cpu_ns(server) - cpu) / (double)messages;
    return phase;
}

/* Find the number of messages that fills a phase; it stays the same then. */
static void calibrate(struct server *server)
{
    long least = 2L * options.connections;
    long n = least > 64 ? least : 64;

    for (;;) {
        struct phase phase = run_phase(server, n);

        if (phase.seconds >= options.seconds / 4) {
            n = (long)((double)n * options.seconds / phase.seconds);
            break;
        }
        n *= 2;
    }
    server->phase_messages = n > least ? n : least;
}

static void measure(struct server *servers, int count)
{
    int retries = options.rounds;

    for (int i = 0; i < count; i++) {
        connect_all(&servers[i]);
        calibrate(&servers[i]);
    }
    for (int round = 0; round < options.rounds;) {
        struct phase phases[SERVERS_MAX];
        bool disturbed = false;

        for (int i = 0; i < count; i++) {
            usleep(PAUSE_US);
            phases[i] = run_phase(&servers[i], servers[i].phase_messages);
            disturbed |= phases[i].disturbed > DISTURBED;
        }
        if (disturbed && retries-- > 0)
            continue;
        for (int i = 0; i < count; i++)
            printf("P %d %s %.1f\n", round, servers[i].name, phases[i].ns);
        fflush(stdout);
        round++;
    }
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

static void parse_server(struct server *server, char *text)
{
    char *port, *pid;

    server->name = strtok(text, ":");
    port = strtok(NULL, ":");
    pid = strtok(NULL, ":");
    if (!pid) {
        fprintf(stderr, "load: a server is name:port:pid\n");
        exit(2);
    }
    server->port = atoi(port);
    server->pid = atoi(pid);
    if (clock_getcpuclockid(server->pid, &server->clock) != 0)
        fail(server, "no such process");
}

int main(int argc, char **argv)
{
    static struct server servers[SERVERS_MAX];
    char *init[] = {argv[0], "0", NULL};
    int count = 0, option;

    while ((option = getopt(argc, argv, "c:r:t:m")) != -1) {
        switch (option) {
        case 'c':
            options.connections = atoi(optarg);
            break;
        case 'r':
            options.rounds = atoi(optarg);
            break;
        case 't':
            options.seconds = atof(optarg);
            break;
        case 'm':
            options.memory = true;
            break;
        default:
            return 2;
        }
    }
    net_init(2, init);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)(i % PATTERN * 37 + 11);
    for (; optind < argc && count < SERVERS_MAX; optind++)
        parse_server(&servers[count++], argv[optind]);
    if (options.memory)
        measure_memory(servers, count);
    else
        measure(servers, count);
    return 0;
}
