/* SPDX-License-Identifier: MIT */
/* Spawning and joining tasks that do nothing, one by one and in batches. */
#include "limit.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

#define BATCH 1000

static void nothing(void *arg)
{
    (void)arg;
}

static void one_by_one(long n)
{
    for (long i = 0; i < n; i++)
        limit_join(limit_spawn(nothing, NULL));
}

static void in_batches(long n)
{
    static struct limit_task *tasks[BATCH];

    for (long done = 0; done < n; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            tasks[i] = limit_spawn(nothing, NULL);
        for (int i = 0; i < BATCH; i++)
            limit_join(tasks[i]);
    }
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 10000000, 500000);
    void (*run)(long) =
        strcmp(row, "spawn_batch") == 0 ? in_batches : one_by_one;
    int64_t start;

    limit_init();
    run(2 * BATCH); /* stacks are warm from here on */
    start = bench_cpu_ns();
    run(n);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
