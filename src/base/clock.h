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

/* macOS derives CLOCK_MONOTONIC from the time of day, in microseconds. */
#if defined(__APPLE__)
#define CO_CLOCK CLOCK_UPTIME_RAW
#else
#define CO_CLOCK CLOCK_MONOTONIC
#endif

/* The clock, even while a test has stopped it. */
static inline co_time co__clock_real(void)
{
    struct timespec ts;

    clock_gettime(CO_CLOCK, &ts);
    return (co_time)ts.tv_sec * CO_SEC + ts.tv_nsec;
}

/* The time, afresh. */
static inline co_time co__clock_read(void)
{
    if (CO_UNLIKELY(co__clock_virtual))
        return co__clock_virtual_now;
    return co__clock_real();
}

/* A time that is not negative, as the system has it. */
static inline struct timespec co__timespec(co_time t)
{
    return (struct timespec){.tv_sec = (time_t)(t / CO_SEC),
                             .tv_nsec = (long)(t % CO_SEC)};
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
