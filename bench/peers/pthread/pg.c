/* SPDX-License-Identifier: MIT */
/* A thread for each client. */
#include "pg.h"

static void *client(void *number)
{
    pg_client((intptr_t)number);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[PG_CLIENTS];

    pg_begin(argc, argv);
    for (long i = 0; i < PG_CLIENTS; i++)
        if (pthread_create(&threads[i], NULL, client, (void *)(intptr_t)i) != 0)
            bench_die("pthread_create");
    for (long i = 0; i < PG_CLIENTS; i++)
        pthread_join(threads[i], NULL);
    _exit(0);
}
