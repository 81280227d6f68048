/* SPDX-License-Identifier: MIT */
/* bench/coppice/run.h - runs a program's main task, and stops at any error. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "bench.h"

#include <coppice.h>

static inline void run_must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(-result));
        exit(1);
    }
}

static inline co_task *run_spawn(co_task_fn fn, void *arg)
{
    co_task *task = co_spawn(fn, arg);

    if (!task)
        bench_die("co_spawn");
    return task;
}

#endif
