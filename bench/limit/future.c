/* SPDX-License-Identifier: MIT */
/*
 * A future is made, another task resolves it while the first one waits, and it
 * is freed: to a list, where the next one comes from.
 */
#include "limit.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

struct future {
    struct limit_task *waiter;
    struct future *next_free;
    bool done;
    long value;
};

static struct future *free_futures, *pending;

BENCH_NOINLINE static struct future *new_future(void)
{
    struct future *future = free_futures;

    if (future)
        free_futures = future->next_free;
    else if (!(future = malloc(sizeof(*future))))
        bench_die("malloc");
    future->waiter = NULL;
    future->done = false;
    return future;
}

BENCH_NOINLINE static void free_future(struct future *future)
{
    future->next_free = free_futures;
    free_futures = future;
}

BENCH_NOINLINE static long wait_for(struct future *future)
{
    if (!future->done) {
        future->waiter = limit_current;
        limit_block();
    }
    return future->value;
}

BENCH_NOINLINE static void resolve(struct future *future, long value)
{
    future->value = value;
    future->done = true;
    if (future->waiter)
        limit_ready(future->waiter);
}

static void resolver(void *arg)
{
    (void)arg;
    for (long i = 0;; i++) {
        resolve(pending, i);
        limit_yield();
    }
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 10000000, 500000);
    int64_t start;

    limit_init();
    limit_spawn(resolver, NULL);
    start = bench_cpu_ns();
    for (long i = 0; i < n; i++) {
        pending = new_future();
        if (wait_for(pending) != i)
            abort();
        free_future(pending);
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
