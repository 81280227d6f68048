/* SPDX-License-Identifier: MIT */
/* A future is made, another task resolves it while the first one waits, and it
 * is freed. */
#include "run.h"

static co_future *pending;
static long total;
static const char *row;

static int resolver(void *arg)
{
    (void)arg;
    for (long i = 0;; i++) {
        run_must(co_future_resolve(pending, 0, (void *)(intptr_t)i),
                 "co_future_resolve");
        run_must(co_yield_now(), "co_yield_now");
    }
    return 0;
}

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    co_detach(run_spawn(resolver, NULL));
    start = bench_cpu_ns();
    for (long i = 0; i < total; i++) {
        void *value = NULL;

        pending = co_future_new();
        if (!pending)
            bench_die("co_future_new");
        run_must(co_wait(pending, &value), "co_wait");
        if (value != (void *)(intptr_t)i)
            abort();
        co_future_unref(pending);
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    _exit(0);
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, 10000000, 500000);
    run_loop(run, NULL);
    return 1;
}
