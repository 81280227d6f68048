/* SPDX-License-Identifier: MIT */
/*
 * One switch between two contexts that run the same code, as all tasks of a
 * scheduler do: they all wait inside one function.
 */
#include "bench.h"

#include "arch/switch.h"

#define STACK_SIZE ((size_t)64 << 10)

static void *contexts[2];
static long left;

BENCH_NOINLINE static void turn(int self)
{
    while (--left > 0)
        co__switch(&contexts[self], contexts[1 - self], 0);
}

static void other(void *arg)
{
    (void)arg;
    for (;;) {
        turn(1);
        co__switch(&contexts[1], contexts[0], 0);
    }
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 30000000, 1000000);
    char *stack = aligned_alloc(64, STACK_SIZE);
    int64_t start;

    if (!stack)
        bench_die("aligned_alloc");
    contexts[1] = co__switch_prepare(stack + STACK_SIZE, other, NULL);
    left = n;
    start = bench_cpu_ns();
    turn(0);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
