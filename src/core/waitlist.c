/* SPDX-License-Identifier: MIT */
/* What is seldom done to who waits; the rest is inline. */
#include "core/waitlist.h"

#include "core/sched.h"

void co__waitlist_wake_all(struct co__waitlist *list, int value)
{
    struct co__waiter *waiter;

    while ((waiter = list->head)) {
        co__waitlist_pop(list, waiter);
        co__wake_inline(waiter->task, value);
    }
}

void co__leave_places(struct co_task *task)
{
    for (int i = 0; i < CO__PLACES; i++)
        co__waitlist_remove(&task->places[i]);
}
