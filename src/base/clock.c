/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

co_time co_now(void)
{
    return co__clock_read();
}
