/* SPDX-License-Identifier: MIT */
/* Entering and leaving a timeout around a call that does not wait. */
#include "run.h"

static volatile long work_done;
static long total;
static const char *row;

BENCH_NOINLINE static void work(void)
{
    work_done++;
}

static int run(void *arg)
{
    int64_t start = bench_cpu_ns();

    (void)arg;
    for (long i = 0; i < total; i++) {
        co_timeout(CO_SEC) {
            work();
        }
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, 50000000, 1000000);
    run_loop(run, NULL);
    return 0;
}
