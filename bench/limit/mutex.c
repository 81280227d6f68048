/* SPDX-License-Identifier: MIT */
/* A mutex that nobody else wants: a flag, behind two calls. */
#include "bench.h"

static volatile int mutex;

BENCH_NOINLINE static void lock(volatile int *flag)
{
    if (*flag)
        abort();
    *flag = 1;
}

BENCH_NOINLINE static void unlock(volatile int *flag)
{
    *flag = 0;
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 100000000, 1000000);
    int64_t start = bench_cpu_ns();

    for (long i = 0; i < n; i++) {
        lock(&mutex);
        unlock(&mutex);
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
