/* SPDX-License-Identifier: MIT */
/* Two tasks hand a permit back and forth over two semaphores. */
#include "run.h"

static co_sem there, back;
static long total;
static const char *row;

static int other(void *arg)
{
    (void)arg;
    for (;;) {
        run_must(co_sem_acquire(&there), "co_sem_acquire");
        run_must(co_sem_release(&back), "co_sem_release");
    }
    return 0;
}

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    co_detach(run_spawn(other, NULL));
    start = bench_cpu_ns();
    for (long i = 0; i < total / 2; i++) {
        run_must(co_sem_release(&there), "co_sem_release");
        run_must(co_sem_acquire(&back), "co_sem_acquire");
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    _exit(0);
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, 20000000, 1000000);
    run_loop(run, NULL);
    return 1;
}
