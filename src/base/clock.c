/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

int co__clock_virtual;
co_time co__clock_virtual_now;

void co__clock_jump(co_time to)
{
    if (to > co__clock_virtual_now)
        co__clock_virtual_now = to;
}

co_time co_now(void)
{
    return co__clock_read();
}
