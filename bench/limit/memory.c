/* SPDX-License-Identifier: MIT */
/* N tasks, each with a guarded stack, that wait for ever. */
#include "limit.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

static void park(void *arg)
{
    (void)arg;
    limit_block();
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_row_number(row);
    long before;

    limit_init();
    limit_guards = true;
    before = bench_memory_bytes("/proc/self/status");
    for (long i = 0; i < n; i++) {
        limit_spawn(park, NULL);
        limit_yield();
    }
    bench_report(row,
                 (double)(bench_memory_bytes("/proc/self/status") - before) /
                     (double)n);
    _exit(0);
}
