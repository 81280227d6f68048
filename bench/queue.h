/* SPDX-License-Identifier: MIT */
/*
 * bench/queue.h - the load of queue_priority: how many elements the queue
 * holds, and how much later an element comes back than it was taken out.
 */
#ifndef BENCH_QUEUE_H
#define BENCH_QUEUE_H

#include "bench.h"

#define QUEUE_HELD  1000
#define QUEUE_STEPS 4096

static int64_t queue_steps[QUEUE_STEPS];

static inline void queue_prepare(void)
{
    uint32_t seed = 12345;

    for (int i = 0; i < QUEUE_STEPS; i++)
        queue_steps[i] = bench_random(&seed) % 1000000;
}

static inline int64_t queue_step(long i)
{
    return queue_steps[i % QUEUE_STEPS];
}

#endif
