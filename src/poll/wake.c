/* SPDX-License-Identifier: MIT */
#include "poll/wake.h"

#include "base/wait.h"

void co__wake_pause(const struct co__wake *wake, co_time limit)
{
    struct pollfd sent = {.fd = wake->fd, .events = POLLIN};

    if (co__poll(&sent, 1, limit) > 0)
        co__wake_take(wake);
}
