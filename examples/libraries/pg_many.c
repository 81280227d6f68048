/* SPDX-License-Identifier: MIT */
/*
 * pg_many.c - PostgreSQL by libpq: SERVER is a connection string, say
 * "host=127.0.0.1 dbname=postgres".
 */
#include "library.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

static void *open_connection(const char *server)
{
    PGconn *pg = PQconnectdb(server);
    if (PQstatus(pg) == CONNECTION_OK) {
        PGresult *result =
            PQprepare(pg, "slow", "SELECT $1::int FROM pg_sleep(0.1)", 1, NULL);
        int is_ready = PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
        if (is_ready)
            return pg;
    }
    fprintf(stderr, "libpq: %s", PQerrorMessage(pg));
    PQfinish(pg);
    return NULL;
}

static int ask(void *connection, int number)
{
    char text[32];
    const char *values[] = {text};
    snprintf(text, sizeof(text), "%d", number);
    PGresult *result =
        PQexecPrepared(connection, "slow", 1, values, NULL, NULL, 0);
    int right = PQresultStatus(result) == PGRES_TUPLES_OK &&
                atoi(PQgetvalue(result, 0, 0)) == number;
    if (!right)
        fprintf(stderr, "libpq: %s", PQerrorMessage(connection));
    PQclear(result);
    return right;
}

static void close_connection(void *connection)
{
    PQfinish(connection);
}

const struct library libpq = {"libpq", open_connection, ask, close_connection};
