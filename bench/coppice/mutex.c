/* SPDX-License-Identifier: MIT */
/* Locking and unlocking a mutex that nobody else wants. */
#include "run.h"

static co_mutex mutex;
static long total;
static const char *row;

static int run(void *arg)
{
    const long n = total;
    int64_t start = bench_cpu_ns();

    (void)arg;
    for (long i = 0; i < n; i++) {
        run_must(co_mutex_lock(&mutex), "co_mutex_lock");
        co_mutex_unlock(&mutex);
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, 100000000, 1000000);
    run_loop(run, NULL);
    return 0;
}
