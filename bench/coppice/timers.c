/* SPDX-License-Identifier: MIT */
/* N tasks that are there already sleep for random times of up to a second. */
#include "run.h"

#include <stdbool.h>

#define SLEEP_MS 1000
#define SLEEPS   2

static long tasks, started, ended;
static bool go;
static uint32_t seed = 12345;
static const char *row;

static int sleeper(void *arg)
{
    (void)arg;
    started++;
    while (!go)
        run_must(co_yield_now(), "co_yield_now");
    for (int i = 0; i < SLEEPS; i++)
        run_must(co_sleep(bench_random(&seed) % SLEEP_MS * CO_MS), "co_sleep");
    ended++;
    return 0;
}

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    for (long i = 0; i < tasks; i++)
        run_must(co_detach(run_spawn(sleeper, NULL)), "co_detach");
    while (started < tasks)
        run_must(co_yield_now(), "co_yield_now");
    go = true;
    start = bench_cpu_ns();
    while (ended < tasks)
        run_must(co_sleep(10 * CO_MS), "co_sleep");
    bench_report(row,
                 (double)(bench_cpu_ns() - start) / (double)(tasks * SLEEPS));
    _exit(0);
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    tasks = bench_row_number(row);
    run_loop(run, NULL);
    return 1;
}
