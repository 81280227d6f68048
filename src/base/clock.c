/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

int co__clock_virtual;
co_time co__clock_virtual_now;

void co__clock_jump(co_time to)
{
    if (to > co__clock_virtual_now)
        co__clock_virtual_now = to;
}

co_time co__clock_tick(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    struct timespec ts;

    if (clock_getres(CLOCK_MONOTONIC_COARSE, &ts) == 0)
        return (co_time)ts.tv_sec * CO_SEC + ts.tv_nsec;
#endif
    return 0;
}

co_time co_now(void)
{
    return co__clock_read();
}
