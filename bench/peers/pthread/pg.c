/* SPDX-License-Identifier: MIT */
/* A thread for each connection. */
#include "pg.h"

#include <pthread.h>
#include <stdatomic.h>

static const char *server;
static atomic_long left;
static PGconn *open_ones[PG_CLIENTS];

static void *open_one(void *arg)
{
    open_ones[(intptr_t)arg] = pg_open(server);
    return NULL;
}

static void *client(void *arg)
{
    while (atomic_fetch_sub_explicit(&left, 1, memory_order_relaxed) > 0)
        pg_select1(open_ones[(intptr_t)arg]);
    return NULL;
}

static void all(void *(*fn)(void *arg))
{
    pthread_t threads[PG_CLIENTS];

    for (long i = 0; i < PG_CLIENTS; i++)
        if (pthread_create(&threads[i], NULL, fn, (void *)(intptr_t)i) != 0)
            bench_die("pthread_create");
    for (long i = 0; i < PG_CLIENTS; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long total = pg_queries(argc, argv);
    int64_t start;

    server = pg_server(argc, argv);
    all(open_one);
    left = total / 10;
    all(client);
    left = total;
    start = pg_clock(row);
    all(client);
    bench_report(row, (double)(pg_clock(row) - start) / (double)total);
    _exit(0);
}
