/* SPDX-License-Identifier: MIT */
/* base/clock.h - reading the clock. */
#ifndef CO_BASE_CLOCK_H
#define CO_BASE_CLOCK_H

#include <coppice/clock.h>

#include <time.h>

/* CLOCK_MONOTONIC, afresh. */
static inline co_time co__clock_read(void)
{
    struct timespec ts;

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
