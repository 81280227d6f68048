/* SPDX-License-Identifier: MIT */
/* See outside.h: a system that says little about its threads. */
#include "debug/outside.h"

#include <errno.h>

int co__outside_init(void)
{
    return -ENOSYS;
}

int co__outside_read(void *to, const void *from, size_t len)
{
    (void)to;
    (void)from;
    (void)len;
    return -EFAULT;
}

int co__outside_look(uint64_t thread, struct co__doing *doing)
{
    (void)thread;
    (void)doing;
    return -ESRCH;
}

int co__outside_take_signal(int signo)
{
    (void)signo;
    return -EINVAL;
}

void co__outside_drop_signal(int signo)
{
    (void)signo;
}

unsigned co__outside_backtrace(uint64_t thread, int signo, void **frames,
                               unsigned max)
{
    (void)thread;
    (void)signo;
    (void)frames;
    (void)max;
    return 0;
}
