/* SPDX-License-Identifier: MIT */
/* A program that does nothing, started and waited for, 8 at a time. */
#include "run.h"

static long left;

static int runner(void *arg)
{
    const char *argv[] = {BENCH_PROGRAM, NULL};

    while (left-- > 0) {
        co_process *process = NULL;
        int code;

        run_must(co_process_spawn(argv, NULL, &process), "co_process_spawn");
        run_must(co_process_wait(process, &code), "co_process_wait");
        co_process_free(process);
    }
    (void)arg;
    return 0;
}

static void run_programs(long count)
{
    co_task *all[BENCH_RUNNERS];

    left = count;
    for (long i = 0; i < BENCH_RUNNERS; i++)
        all[i] = run_spawn(runner, NULL);
    for (long i = 0; i < BENCH_RUNNERS; i++)
        run_must(co_join(all[i], NULL), "co_join");
}

static long total;
static const char *row;

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    run_programs(total / 10);
    start = bench_cpu_ns();
    run_programs(total);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, BENCH_PROGRAMS, BENCH_PROGRAMS / 10);
    run_loop(run, NULL);
    return 0;
}
