/* SPDX-License-Identifier: MIT */
/*
 * bench/echo/phases.h - what a unit of work costs servers, which run side by
 * side: messages, handshakes, KiB.
 *
 * Units a second say little on loopback, where the client works as hard as
 * the server; so the figure is the CPU time of the server's process. And since
 * a machine is never quite the same a minute later, all servers are measured in
 * turn, A B C A B C, in one process: only the ratios within a round are
 * compared. A round in which somebody else held a CPU for long is thrown away
 * and done again, as often as there are rounds.
 *
 * It prints "P <round> <name> <ns a unit>".
 */
#ifndef BENCH_PHASES_H
#define BENCH_PHASES_H

#include "net.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define SERVERS_MAX 16
#define EVENTS_MAX  512
#define STALL_MS    5000
#define DISTURBED   0.04  /* share of a phase spent waiting for a CPU */
#define PAUSE_US    20000 /* between phases, so that servers go idle */
#define SOURCES     16    /* addresses 127.0.0.2 and on */

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

struct server {
    const char *name;
    int port;
    int pid;
    clockid_t clock;
    long phase_units;
    void *own; /* the program's */
};

struct phase {
    double ns; /* server CPU a unit */
    double seconds;
    double disturbed; /* the larger share of server and load */
};

/* Have a server do so many units. */
typedef void phases_work(struct server *server, long units);

BENCH_UNUSED static void fail(const struct server *server, const char *what)
{
    fprintf(stderr, "load: %s: %s\n", server->name, what);
    exit(1);
}

/* "name:port:pid" */
BENCH_UNUSED static void parse_server(struct server *server, char *text)
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

/* One source address has too few ports for the connections of all rounds. */
BENCH_UNUSED static int dial(const struct server *server)
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

/* Nanoseconds that a process was ready but had no CPU. */
static inline int64_t phases_waited_ns(const char *pid)
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

/* The CPU time of a server, and of the processes that it has now: some have one
 * for each connection. */
static inline int64_t phases_cpu_ns(const struct server *server)
{
    int64_t sum = bench_clock(server->clock);
    clockid_t clock;
    char path[64];
    int child;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", server->pid,
             server->pid);
    f = fopen(path, "r");
    if (!f)
        return sum;
    while (fscanf(f, "%d", &child) == 1)
        if (clock_getcpuclockid(child, &clock) == 0)
            sum += bench_clock(clock);
    fclose(f);
    return sum;
}

/* The clock stands still when the server has nothing left to do. */
static inline int64_t phases_settled_cpu_ns(const struct server *server)
{
    int64_t now = phases_cpu_ns(server), last;

    for (int i = 0; i < 50; i++) {
        usleep(500);
        last = now;
        now = phases_cpu_ns(server);
        if (now == last)
            break;
    }
    return now;
}

static inline struct phase phases_run(struct server *server, long units,
                                      phases_work *work)
{
    char pid[16];
    struct phase phase;
    int64_t cpu, start, server_waited, load_waited;
    double ns;

    snprintf(pid, sizeof(pid), "%d", server->pid);
    cpu = phases_settled_cpu_ns(server);
    server_waited = phases_waited_ns(pid);
    load_waited = phases_waited_ns("self");
    start = bench_now_ns();

    work(server, units);

    ns = (double)(bench_now_ns() - start);
    server_waited = phases_waited_ns(pid) - server_waited;
    load_waited = phases_waited_ns("self") - load_waited;
    phase.seconds = ns / 1e9;
    phase.disturbed =
        (double)(server_waited > load_waited ? server_waited : load_waited) /
        ns;
    phase.ns = (double)(phases_settled_cpu_ns(server) - cpu) / (double)units;
    return phase;
}

/* Find the number of units, a multiple of `step`, that fills a phase; it stays
 * the same then. */
static inline void phases_calibrate(struct server *server, double seconds,
                                    long step, phases_work *work)
{
    long n = step;

    for (;;) {
        struct phase phase = phases_run(server, n, work);

        if (phase.seconds >= seconds / 4) {
            n = (long)((double)n * seconds / phase.seconds) / step * step;
            break;
        }
        n *= 2;
    }
    server->phase_units = n > step ? n : step;
}

/* All servers in turn, in phases of about so many seconds. */
BENCH_UNUSED static void phases_measure(struct server *servers, int count,
                                        int rounds, double seconds, long step,
                                        phases_work *work)
{
    int retries = rounds;

    for (int i = 0; i < count; i++)
        phases_calibrate(&servers[i], seconds, step, work);
    for (int round = 0; round < rounds;) {
        struct phase phases[SERVERS_MAX];
        bool disturbed = false;

        for (int i = 0; i < count; i++) {
            usleep(PAUSE_US);
            phases[i] = phases_run(&servers[i], servers[i].phase_units, work);
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

/* ---- what most of the programs are called with, and wait for ------------- */

struct phases_options {
    int connections;
    int rounds;
    double seconds; /* a phase */
    bool memory;    /* -m, where it is known */
};

/* "[-c connections] [-r rounds] [-t seconds]", and what else `letters` says,
 * then the servers. Returns how many. */
BENCH_UNUSED static int phases_begin(int argc, char **argv, const char *letters,
                                     struct phases_options *options,
                                     struct server *servers)
{
    char *init[] = {argv[0], "0", NULL};
    int count = 0, option;

    while ((option = getopt(argc, argv, letters)) != -1) {
        switch (option) {
        case 'c':
            options->connections = atoi(optarg);
            break;
        case 'r':
            options->rounds = atoi(optarg);
            break;
        case 't':
            options->seconds = atof(optarg);
            break;
        case 'm':
            options->memory = true;
            break;
        default:
            exit(2);
        }
    }
    net_init(2, init);
    for (; optind < argc && count < SERVERS_MAX; optind++)
        parse_server(&servers[count++], argv[optind]);
    return count;
}

/* Call for what is readable, until *left is 0. */
BENCH_UNUSED static void phases_pump(struct server *server, int epoll,
                                     const long *left,
                                     void (*readable)(struct server *server,
                                                      void *connection))
{
    static struct epoll_event events[EVENTS_MAX];

    while (*left > 0) {
        int n = epoll_wait(epoll, events, EVENTS_MAX, STALL_MS);

        if (n < 0 && errno != EINTR)
            bench_die("epoll_wait");
        if (n == 0)
            fail(server, "stalled, or has lost something");
        for (int i = 0; i < n; i++)
            readable(server, events[i].data.ptr);
    }
}

#endif
