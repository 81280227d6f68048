/* SPDX-License-Identifier: MIT */
/*
 * pg_pool.c - many tasks share a few connections to PostgreSQL:
 * `pg_pool CONNECTION-STRING [CONNECTIONS [TASKS]]` (10, 100).
 *
 * co_pool keeps the connections, and who gets none waits. Within them libpq is
 * called as ever: the hooks make its calls wait in the loop.
 */
#include <coppice.h>
#include <coppice/hook.h>

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

static int pg_connect(void *server, void **item)
{
    PGconn *pg = PQconnectdb(server);
    if (PQstatus(pg) == CONNECTION_OK) {
        *item = pg;
        return 0;
    }
    fprintf(stderr, "%s", PQerrorMessage(pg));
    PQfinish(pg);
    return -ECONNREFUSED;
}

static int pg_check(void *server, void *item)
{
    (void)server;
    return PQstatus(item) == CONNECTION_OK ? 0 : -ECONNRESET;
}

static void pg_finish(void *server, void *item)
{
    (void)server;
    PQfinish(item);
}

struct program {
    co_pool_options options;
    int tasks;
    co_pool *pool;
};

/* One of many tasks. After an error, a cancel among them, nobody can tell what
 * the connection is in the midst of: it is not given back, but discarded. */
static int query(void *arg)
{
    struct program *program = arg;
    void *pg;
    int r = co_pool_get(program->pool, &pg);
    if (r < 0)
        return r;
    PGresult *result = PQexec(pg, "SELECT 6 * 7 FROM pg_sleep(0.1)");
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        r = -EIO;
    else if (atoi(PQgetvalue(result, 0, 0)) != 42)
        r = -EBADMSG;
    PQclear(result);
    if (r < 0)
        co_pool_discard(program->pool, pg);
    else
        co_pool_put(program->pool, pg);
    return r;
}

static int run(void *arg)
{
    struct program *program = arg;
    co_group group = {0};
    co_time began = co_now();
    program->pool = co_pool_new(&program->options);
    int r = program->pool ? 0 : -errno;
    for (int i = 0; i < program->tasks && r == 0; i++)
        if (!co_group_spawn(&group, query, program))
            r = -errno;
    int first = co_group_wait(&group);
    if (r == 0)
        r = first;
    if (r == 0)
        printf("%d queries, %u connections: %lld ms\n", program->tasks,
               co_pool_idle(program->pool),
               (long long)((co_now() - began) / CO_MS));
    co_pool_free(program->pool);
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: pg_pool CONNECTION [CONNECTIONS [TASKS]]\n");
        return 2;
    }
    struct program program = {
        .options = {.size = sizeof(program.options),
                    .max = argc > 2 ? (unsigned)atoi(argv[2]) : 10,
                    .idle = 60 * CO_SEC,
                    .create = pg_connect,
                    .check = pg_check,
                    .destroy = pg_finish,
                    .arg = argv[1]},
        .tasks = argc > 3 ? atoi(argv[3]) : 100,
    };
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    int r = co_run(run, &program);
    if (r < 0)
        fprintf(stderr, "%s\n", co_error_name(r));
    return r < 0;
}
