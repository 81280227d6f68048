/* SPDX-License-Identifier: MIT */
/*
 * One switch between two contexts that run the same code, as all tasks of a
 * scheduler do: they all wait inside one function.
 */
#include "limit.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

static void *contexts[2];
static long left;

BENCH_NOINLINE static void turn(int self)
{
    while (--left > 0)
        limit_switch(&contexts[self], contexts[1 - self], 0);
}

static void other(void)
{
    for (;;) {
        turn(1);
        limit_switch(&contexts[1], contexts[0], 0);
    }
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 30000000, 1000000);
    int64_t start;

    contexts[1] = limit_new(other)->sp;
    left = n;
    start = bench_cpu_ns();
    turn(0);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
