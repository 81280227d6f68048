/* SPDX-License-Identifier: MIT */
/*
 * bench/pg.h - clients of a PostgreSQL, by libpq. A program calls pg_begin, and
 * then pg_client for each of them, all side by side in its own way. What starts
 * them, and connects, is not measured.
 */
#ifndef BENCH_PG_H
#define BENCH_PG_H

#include "bench.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#define PG_CLIENTS 64
#define PG_QUERIES 20000

static struct {
    const char *row, *server;
    long total;
    atomic_long before, left; /* queries that no client has taken yet */
    pthread_barrier_t gate;
    PGconn *clients[PG_CLIENTS];
    int64_t start, served; /* the clocks when the measured ones began */
} pg;

static inline void pg_begin(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s ROW DIVISOR SERVER\n", argv[0]);
        exit(2);
    }
    pg.row = bench_row(argc, argv);
    pg.total = bench_scaled(argc, argv, PG_QUERIES, PG_QUERIES / 10);
    pg.server = argv[3];
    pg.left = pg.total;
    pg.before = pg.total / 10;
    pthread_barrier_init(&pg.gate, NULL, PG_CLIENTS);
}

/* ---- what it takes ------------------------------------------------------- */

static inline int64_t pg_clock(void)
{
    return strstr(pg.row, "_wall") ? bench_now_ns() : bench_cpu_ns();
}

/* CPU time of the processes that serve the clients, where the row counts it. */
static inline int64_t pg_served_ns(void)
{
    int64_t sum = 0;

    if (!strstr(pg.row, "_one_cpu"))
        return 0;
    for (long i = 0; i < PG_CLIENTS; i++) {
        char path[64];
        long long ns = 0;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/schedstat",
                 PQbackendPID(pg.clients[i]));
        f = fopen(path, "r");
        if (!f || fscanf(f, "%lld", &ns) != 1)
            bench_die(path);
        fclose(f);
        sum += ns;
    }
    return sum;
}

static inline void pg_start(void)
{
    pg.served = pg_served_ns();
    pg.start = pg_clock();
}

static inline void pg_report(void)
{
    int64_t spent = pg_clock() - pg.start;

    spent += pg_served_ns() - pg.served;
    bench_report(pg.row, (double)spent / (double)pg.total);
}

/* ---- a client ------------------------------------------------------------ */

static inline PGconn *pg_open(void)
{
    PGconn *client = PQconnectdb(pg.server);

    if (PQstatus(client) != CONNECTION_OK) {
        fprintf(stderr, "%s", PQerrorMessage(client));
        exit(1);
    }
    return client;
}

static inline void pg_select1(PGconn *client)
{
    PGresult *result = PQexec(client, "SELECT 1");

    if (PQresultStatus(result) != PGRES_TUPLES_OK ||
        strcmp(PQgetvalue(result, 0, 0), "1") != 0) {
        fprintf(stderr, "%s", PQerrorMessage(client));
        exit(1);
    }
    PQclear(result);
}

static inline void pg_ask(PGconn *client, atomic_long *left)
{
    while (atomic_fetch_sub_explicit(left, 1, memory_order_relaxed) > 0)
        pg_select1(client);
}

/* Wait for all clients: for one of them, which may act for all, it is 1. */
static inline int pg_meet(void)
{
    return pthread_barrier_wait(&pg.gate) == PTHREAD_BARRIER_SERIAL_THREAD;
}

static inline void pg_client(long number)
{
    PGconn *client = pg.clients[number] = pg_open();

    pg_meet();
    pg_ask(client, &pg.before);
    if (pg_meet())
        pg_start();
    pg_meet();
    pg_ask(client, &pg.left);
    if (pg_meet())
        pg_report();
}

#endif
