/* SPDX-License-Identifier: MIT */
/* A thousand children are spawned, and waited for together. */
#include "run.h"

static long total, children;
static const char *row;

static int child(void *arg)
{
    (void)arg;
    return 0;
}

static void in_groups(long n)
{
    co_group group = {0};

    for (long done = 0; done < n; done += children) {
        for (long i = 0; i < children; i++)
            if (!co_group_spawn(&group, child, NULL))
                bench_die("co_group_spawn");
        run_must(co_group_wait(&group), "co_group_wait");
    }
}

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    in_groups(2 * children); /* stacks are warm from here on */
    start = bench_cpu_ns();
    in_groups(total);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    children = bench_row_number(row);
    total = bench_scaled(argc, argv, 10000000, 500000);
    run_loop(run, NULL);
    return 0;
}
