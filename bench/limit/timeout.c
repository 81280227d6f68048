/* SPDX-License-Identifier: MIT */
/*
 * A timeout around a call that does not wait: a node with the point in time
 * goes onto the task's chain and comes off again. No timer is set, and the
 * clock is the one that was read when the turn began.
 */
#include "bench.h"

struct scope {
    struct scope *outer;
    int64_t deadline;
};

static struct scope *volatile chain;
static volatile int64_t turn_time;
static volatile long work_done;

BENCH_NOINLINE static void enter(struct scope *scope, int64_t ns)
{
    struct scope *outer = chain;
    int64_t deadline = turn_time + ns;

    scope->deadline =
        outer && outer->deadline < deadline ? outer->deadline : deadline;
    scope->outer = outer;
    chain = scope;
}

BENCH_NOINLINE static void leave(struct scope *scope)
{
    chain = scope->outer;
}

BENCH_NOINLINE static void work(void)
{
    work_done++;
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 50000000, 1000000);
    int64_t start;

    turn_time = bench_now_ns();
    start = bench_cpu_ns();
    for (long i = 0; i < n; i++) {
        struct scope scope;

        enter(&scope, 1000000000);
        work();
        leave(&scope);
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
