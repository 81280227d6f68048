/* SPDX-License-Identifier: MIT */
/* A task for each client: its calls of libpq, and of pthreads, wait in the loop
 * by the hooks. */
#include "pg.h"
#include "run.h"

#include <coppice/hook.h>

static int client(void *number)
{
    pg_client((intptr_t)number);
    return 0;
}

static int run(void *arg)
{
    co_task *tasks[PG_CLIENTS];

    (void)arg;
    for (long i = 0; i < PG_CLIENTS; i++)
        tasks[i] = run_spawn(client, (void *)(intptr_t)i);
    for (long i = 0; i < PG_CLIENTS; i++)
        run_must(co_join(tasks[i], NULL), "co_join");
    return 0;
}

int main(int argc, char **argv)
{
    pg_begin(argc, argv);
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    run_loop(run, NULL);
    _exit(0); /* the server has no use for 64 farewells */
}
