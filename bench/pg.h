/* SPDX-License-Identifier: MIT */
/* bench/pg.h - clients of a PostgreSQL, by libpq: what they ask it, and how
 * many they are. */
#ifndef BENCH_PG_H
#define BENCH_PG_H

#include "bench.h"

#include <libpq-fe.h>

#define PG_CLIENTS 64
#define PG_QUERIES 60000

/* A program of these rows is told of the server after the divisor. */
BENCH_UNUSED static inline const char *pg_server(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s ROW DIVISOR SERVER\n", argv[0]);
        exit(2);
    }
    return argv[3];
}

BENCH_UNUSED static inline long pg_queries(int argc, char **argv)
{
    return bench_scaled(argc, argv, PG_QUERIES, PG_QUERIES / 10);
}

BENCH_UNUSED static inline PGconn *pg_open(const char *server)
{
    PGconn *pg = PQconnectdb(server);

    if (PQstatus(pg) != CONNECTION_OK) {
        fprintf(stderr, "%s", PQerrorMessage(pg));
        exit(1);
    }
    return pg;
}

BENCH_UNUSED static inline void pg_select1(PGconn *pg)
{
    PGresult *result = PQexec(pg, "SELECT 1");

    if (PQresultStatus(result) != PGRES_TUPLES_OK ||
        strcmp(PQgetvalue(result, 0, 0), "1") != 0) {
        fprintf(stderr, "%s", PQerrorMessage(pg));
        exit(1);
    }
    PQclear(result);
}

/* The clock of a row: real time, or the CPU time of this process. */
BENCH_UNUSED static inline int64_t pg_clock(const char *row)
{
    return strstr(row, "_wall") ? bench_now_ns() : bench_cpu_ns();
}

#endif
