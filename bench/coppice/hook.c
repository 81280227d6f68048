/* SPDX-License-Identifier: MIT */
/* Hooked calls that need not wait: outside tasks, and in one. */
#include "calls.h"
#include "run.h"

#include <coppice/hook.h>

static const char *row;
static long divisor;

static int run(void *arg)
{
    (void)arg;
    calls_report(row, divisor);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    divisor = argc > 2 ? atol(argv[2]) : 1;
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    if (strcmp(row, "hook_read_outside") == 0)
        return run(NULL);
    run_loop(run, NULL);
    return 0;
}
