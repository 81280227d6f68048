/* SPDX-License-Identifier: MIT */
/*
 * N tasks, each with a guarded stack, that wait for ever: each joins the one
 * before, and the first sleeps.
 */
#include "run.h"

static long count;
static const char *row;

static int parked(void *arg)
{
    co_task *before = arg;

    return before ? co_join(before, NULL) : co_sleep_until(CO_NEVER);
}

static int run(void *arg)
{
    co_task *last = NULL;
    long before = bench_memory_bytes("/proc/self/status");

    (void)arg;
    for (long i = 0; i < count; i++) {
        last = run_spawn(parked, last);
        run_must(co_yield_now(), "co_yield_now");
    }
    bench_report(row,
                 (double)(bench_memory_bytes("/proc/self/status") - before) /
                     (double)count);
    _exit(0);
}

int main(int argc, char **argv)
{
    co_loop_options options = {.size = sizeof(options)};

    if (argc > 1 && strncmp(argv[1], "--stack=", 8) == 0) {
        options.stack_size = (size_t)atol(argv[1] + 8) << 10;
        argc--;
        argv++;
    }
    row = bench_row(argc, argv);
    count = bench_row_number(row);
    run_must(co_run_with(&options, run, NULL, NULL), "co_run");
    return 1;
}
