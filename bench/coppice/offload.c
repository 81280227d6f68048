/* SPDX-License-Identifier: MIT */
/* An empty job in a thread of the pool. */
#include "run.h"

static long total;
static const char *row;

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int run(void *arg)
{
    int64_t start = 0;

    (void)arg;
    for (long i = -total / 10; i < total; i++) {
        if (i == 0)
            start = bench_now_ns();
        run_must(co_offload(nothing, NULL), "co_offload");
    }
    bench_report(row, (double)(bench_now_ns() - start) / (double)total);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, BENCH_JOBS, BENCH_JOBS / 10);
    run_loop(run, NULL);
    return 0;
}
