/* SPDX-License-Identifier: MIT */
/* base/clock.h - reading the clock. */
#ifndef CO_BASE_CLOCK_H
#define CO_BASE_CLOCK_H

#include <coppice/clock.h>

#include "base/compiler.h"

#include <time.h>

/*
 * For tests: while co__clock_virtual is set, time stands still at
 * co__clock_virtual_now but for co__clock_jump, and a loop with nothing to do
 * jumps to its next timer instead of waiting.
 */
extern int co__clock_virtual;
extern co_time co__clock_virtual_now;
void co__clock_jump(co_time to); /* never backwards */

/* CLOCK_MONOTONIC, afresh. */
static inline co_time co__clock_read(void)
{
    struct timespec ts;

    if (CO_UNLIKELY(co__clock_virtual))
        return co__clock_virtual_now;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (co_time)ts.tv_sec * CO_SEC + ts.tv_nsec;
}

/* a + b without overflow: a far point in time becomes CO_NEVER. */
static inline co_time co__time_add(co_time a, co_time b)
{
    co_time sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? CO_NEVER : 0;
    return sum;
}

#endif
