/* SPDX-License-Identifier: MIT */
/* Invariant: nobody waits for an event that is set. */
#include <coppice/event.h>

#include "sync/holder.h"
#include "sync/simple.h"

int co_event_set(co_event *event)
{
    if (CO_UNLIKELY(!event))
        return -EINVAL;
    event->co__set = 1;
    co__waitlist_wake_all(&event->co__waiters, 0);
    return 0;
}

int co_event_clear(co_event *event)
{
    if (CO_UNLIKELY(!event))
        return -EINVAL;
    event->co__set = 0;
    return 0;
}

int co_event_is_set(const co_event *event)
{
    return event && event->co__set;
}

int co_event_wait(co_event *event)
{
    struct co__here here;
    int r;

    if (CO_UNLIKELY(!event))
        return -EINVAL;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0) || event->co__set)
        return r;
    return co__wait_in(&here, &event->co__waiters, CO__WAIT_EVENT);
}

void co_event_fini(co_event *event)
{
    if (event && !co__waitlist_empty(&event->co__waiters))
        co__misuse("co_event_fini", "a task waits for the event");
}
