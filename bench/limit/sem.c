/* SPDX-License-Identifier: MIT */
/* Two tasks hand a permit back and forth over two semaphores. */
#include "limit.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

struct sem {
    long permits;
    struct limit_task *waiter;
};

static struct sem there, back;

BENCH_NOINLINE static void acquire(struct sem *sem)
{
    if (sem->permits > 0) {
        sem->permits--;
        return;
    }
    sem->waiter = limit_current;
    limit_block();
}

BENCH_NOINLINE static void release(struct sem *sem)
{
    struct limit_task *waiter = sem->waiter;

    if (waiter) {
        sem->waiter = NULL;
        limit_ready(waiter);
        return;
    }
    sem->permits++;
}

static void other(void *arg)
{
    (void)arg;
    for (;;) {
        acquire(&there);
        release(&back);
    }
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 20000000, 1000000);
    int64_t start;

    limit_init();
    limit_spawn(other, NULL);
    start = bench_cpu_ns();
    for (long i = 0; i < n / 2; i++) {
        release(&there);
        acquire(&back);
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
