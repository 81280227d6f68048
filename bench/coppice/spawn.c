/* SPDX-License-Identifier: MIT */
/* Spawning and joining tasks that do nothing, one by one and in batches. */
#include "run.h"

#define BATCH 1000

static long total;
static const char *row;

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void one_by_one(long n)
{
    for (long i = 0; i < n; i++)
        run_must(co_join(run_spawn(nothing, NULL), NULL), "co_join");
}

static void in_batches(long n)
{
    static co_task *tasks[BATCH];

    for (long done = 0; done < n; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            tasks[i] = run_spawn(nothing, NULL);
        for (int i = 0; i < BATCH; i++)
            run_must(co_join(tasks[i], NULL), "co_join");
    }
}

static int run(void *arg)
{
    void (*spawn)(long) =
        strcmp(row, "spawn_batch") == 0 ? in_batches : one_by_one;
    int64_t start;

    (void)arg;
    spawn(2 * BATCH); /* stacks are warm from here on */
    start = bench_cpu_ns();
    spawn(total);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, 10000000, 500000);
    run_loop(run, NULL);
    return 0;
}
