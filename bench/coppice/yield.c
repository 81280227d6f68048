/* SPDX-License-Identifier: MIT */
/* N tasks yield in turn. */
#include "run.h"

static long tasks, started, left, total;
static int64_t start;
static const char *row;

static int yielder(void *arg)
{
    (void)arg;
    if (++started == tasks) {
        left = total;
        start = bench_cpu_ns();
    }
    while (started < tasks)
        co_yield_now();
    while (left-- > 0)
        co_yield_now();
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    _exit(0);
}

static int run(void *arg)
{
    co_task *last = NULL;

    (void)arg;
    for (long i = 0; i < tasks; i++)
        last = run_spawn(yielder, NULL);
    return co_join(last, NULL);
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    tasks = bench_row_number(row);
    total = bench_yields(argc, argv, tasks, 30000000);
    run_loop(run, NULL);
    return 1;
}
