/* SPDX-License-Identifier: MIT */
/* sync/holder.h - who holds a lock, and what is said to those who do not. */
#ifndef CO_SYNC_HOLDER_H
#define CO_SYNC_HOLDER_H

#include "core/loop.h"

/* The running task, or co__outside. */
CO_INLINE struct co_task *co__holder(void)
{
    return co__loop_or_none->self;
}

/* A caller's bug: name the call, the task that made it and what is wrong, and
 * stop the program. */
CO_COLD CO_NORETURN void co__misuse(const char *call, const char *wrong);

#endif
