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

/* On the reactor that the environment names, or not at all: what falls back to
 * another one would be measured under a wrong name. And with the min_wait that
 * it names, in microseconds. */
static inline void run_loop(co_task_fn fn, void *arg)
{
    const char *min_wait = getenv("BENCH_MIN_WAIT");
    co_run_options options = {.size = sizeof(options),
                              .backend = getenv("COPPICE_BACKEND"),
                              .min_wait_ns =
                                  min_wait ? atol(min_wait) * CO_US : 0};

    run_must(co_run_with(&options, fn, arg, NULL), "co_run");
}

static inline co_task *run_spawn(co_task_fn fn, void *arg)
{
    co_task *task = co_spawn(fn, arg);

    if (!task)
        bench_die("co_spawn");
    return task;
}

/* An unbuffered channel for numbers, and one through it. */
static inline co_chan *run_chan(void)
{
    co_chan *chan = co_chan_new(sizeof(long), 0);

    if (!chan)
        bench_die("co_chan_new");
    return chan;
}

static inline void run_send(co_chan *chan, long value)
{
    run_must(co_chan_send(chan, &value), "co_chan_send");
}

static inline long run_recv(co_chan *chan)
{
    long value = 0;

    run_must(co_chan_recv(chan, &value), "co_chan_recv");
    return value;
}

#endif
