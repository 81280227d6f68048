/* SPDX-License-Identifier: MIT */
/* A connection for each task, and plain calls of libpq, which the hooks make
 * wait in the loop. */
#include "pg.h"
#include "run.h"

#include <coppice/hook.h>

static const char *row, *server;
static long total, left;
static PGconn *open_ones[PG_CLIENTS];

static int open_one(void *arg)
{
    open_ones[(intptr_t)arg] = pg_open(server);
    return 0;
}

static int client(void *arg)
{
    while (left-- > 0)
        pg_select1(open_ones[(intptr_t)arg]);
    return 0;
}

static void all(co_task_fn fn)
{
    co_task *tasks[PG_CLIENTS];

    for (long i = 0; i < PG_CLIENTS; i++)
        tasks[i] = run_spawn(fn, (void *)(intptr_t)i);
    for (long i = 0; i < PG_CLIENTS; i++)
        run_must(co_join(tasks[i], NULL), "co_join");
}

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    all(open_one);
    left = total / 10;
    all(client);
    left = total;
    start = pg_clock(row);
    all(client);
    bench_report(row, (double)(pg_clock(row) - start) / (double)total);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    server = pg_server(argc, argv);
    total = pg_queries(argc, argv);
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    run_loop(run, NULL);
    _exit(0); /* the server has no use for 64 farewells */
}
