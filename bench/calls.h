/* SPDX-License-Identifier: MIT */
/* bench/calls.h - calls of the C library that need not wait: what the hooks
 * cost is what they take more there. CPU time a call, in nanoseconds. */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

#include "bench.h"

#include <pthread.h>
#include <sys/socket.h>

#define CALLS_BATCH 256

/* Reads of a byte that is there, from a socket. */
static inline double calls_read(long total)
{
    static char bytes[CALLS_BATCH];
    int64_t spent = 0;
    long done = 0;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        bench_die("socketpair");
    for (; done < total; done += CALLS_BATCH) {
        int64_t start;

        if (write(ends[1], bytes, CALLS_BATCH) != CALLS_BATCH)
            bench_die("write");
        start = bench_cpu_ns();
        for (int i = 0; i < CALLS_BATCH; i++)
            if (read(ends[0], bytes, 1) != 1)
                bench_die("read");
        spent += bench_cpu_ns() - start;
    }
    close(ends[0]);
    close(ends[1]);
    return (double)spent / (double)done;
}

/* A lock that nobody else wants, and its unlock. */
static inline double calls_mutex(long total)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int64_t start = bench_cpu_ns();

    for (long i = 0; i < total; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return (double)(bench_cpu_ns() - start) / (double)total;
}

/* The row's, whatever it is run in. */
static inline void calls_report(const char *row, long divisor)
{
    if (strcmp(row, "hook_mutex") == 0)
        bench_report(row, calls_mutex(20000000 / divisor));
    else
        bench_report(row, calls_read(2000000 / divisor));
}

#endif
