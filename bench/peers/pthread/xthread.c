/* SPDX-License-Identifier: MIT */
/*
 * A message to another thread and back over two boxes for one message, each
 * with a mutex and a condition variable.
 */
#include "bench.h"

#include <pthread.h>

struct box {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int full;
    long value;
};

#define BOX                                                                    \
    {                                                                          \
        .mutex = PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0     \
    }

static struct box there = BOX, back = BOX;

static void put(struct box *box, long value)
{
    pthread_mutex_lock(&box->mutex);
    while (box->full)
        pthread_cond_wait(&box->changed, &box->mutex);
    box->value = value;
    box->full = 1;
    pthread_mutex_unlock(&box->mutex);
    pthread_cond_signal(&box->changed);
}

static long take(struct box *box)
{
    long value;

    pthread_mutex_lock(&box->mutex);
    while (!box->full)
        pthread_cond_wait(&box->changed, &box->mutex);
    value = box->value;
    box->full = 0;
    pthread_mutex_unlock(&box->mutex);
    pthread_cond_signal(&box->changed);
    return value;
}

static void *echo(void *arg)
{
    for (;;)
        put(&back, take(&there));
    return arg;
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, BENCH_HOPS, BENCH_HOPS / 10);
    pthread_t thread;
    int64_t start = 0;

    if (pthread_create(&thread, NULL, echo, NULL) != 0)
        bench_die("pthread_create");
    for (long i = -n / 10; i < n / 2; i++) {
        if (i == 0)
            start = bench_threads_ns(row);
        put(&there, i);
        if (take(&back) != i)
            abort();
    }
    bench_report(row, (double)(bench_threads_ns(row) - start) / (double)n);
    _exit(0);
}
