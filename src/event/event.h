/* SPDX-License-Identifier: MIT */
/* event/event.h - what the calls of this layer have in common. */
#ifndef CO_EVENT_EVENT_H
#define CO_EVENT_EVENT_H

#include "core/loop.h"
#include "core/report.h"

#include <errno.h>

/* Whether a loop can be used from here, by the call of that name: it runs on
 * this thread, or not at all. 0, -EINVAL (NULL), -EPERM. */
static inline int co__event_check(struct co_loop *loop, const char *call)
{
    if (!loop)
        return -EINVAL;
    if (CO_UNLIKELY(loop != co__loop) && atomic_load(&loop->runs)) {
        co__report_wrong_thread(loop, call);
        return -EPERM;
    }
    return 0;
}

/* The same for something new: -ESHUTDOWN if the loop is ending. */
static inline int co__event_check_new(struct co_loop *loop, const char *call)
{
    int r = co__event_check(loop, call);

    return r == 0 && loop->flags & CO__LOOP_ENDING ? -ESHUTDOWN : r;
}

/* The loop is about to be freed. In sigcall.c. */
void co__sigcalls_drop(struct co_loop *loop);

#endif
