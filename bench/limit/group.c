/* SPDX-License-Identifier: MIT */
/* A thousand children are spawned, and waited for together. */
#include "limit.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

struct group {
    long children;
    struct limit_task *waiter;
};

/* The stack may go to the free list now: nobody takes it before the task has
 * left it. */
static void child(void *arg)
{
    struct group *group = arg;
    struct limit_task *self = limit_current;

    self->next = limit_free;
    limit_free = self;
    if (--group->children == 0 && group->waiter)
        limit_ready(group->waiter);
}

static void run(long n, long children)
{
    for (long done = 0; done < n; done += children) {
        struct group group = {.children = 0};

        for (long i = 0; i < children; i++) {
            group.children++;
            limit_spawn(child, &group);
        }
        group.waiter = limit_current;
        limit_block();
    }
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long children = bench_row_number(row);
    long n = bench_scaled(argc, argv, 10000000, 500000);
    int64_t start;

    limit_init();
    run(2 * children, children); /* stacks are warm from here on */
    start = bench_cpu_ns();
    run(n, children);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
