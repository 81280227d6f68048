/* SPDX-License-Identifier: MIT */
/*
 * core/waitlist.h - who waits for a thing, first come, first served.
 *
 * There are two ways to wake a waiter (sched.h):
 *  - co__waitlist_wake says "try again", as descriptors do. The waiter stays
 *    where it is until its task has run, so that a newcomer sees it and queues
 *    behind it.
 *  - co__waitlist_grant hands something over, as all of sync/ does: the waiter
 *    is unlinked, and what it waited for is its own.
 * Both pass over tasks that are ready already (cancelled in the same turn,
 * say), so nothing is granted to a task that will not take it.
 *
 * Who waits to be granted something, in one line or a few, does so in places of
 * its task: they are in the control block, and whoever makes the task ready
 * unlinks them, so that nothing is left to do after the wait (see co__park_in).
 * All others have waiters on their stack, and unlink them on every way out.
 */
#ifndef CO_CORE_WAITLIST_H
#define CO_CORE_WAITLIST_H

#include <coppice/base.h>

#include "base/assert.h"

struct co_task;
struct co__waitlist;

struct co__waiter {
    struct co__waiter *next;
    struct co__waiter *prev;
    struct co__waitlist *list; /* NULL: not linked */
    struct co_task *task;      /* valid while linked; as are, for the list's
                                * owner, what it waits with, and as what: */
    void *with;
    int32_t as;
};

/* How many lines a task can wait in without waiters on its stack. */
#define CO__PLACES 4

static inline int co__waitlist_empty(const struct co__waitlist *list)
{
    return !list->head;
}

static inline void co__waitlist_push(struct co__waitlist *list,
                                     struct co__waiter *waiter,
                                     struct co_task *task)
{
    waiter->task = task;
    waiter->list = list;
    waiter->next = NULL;
    waiter->prev = list->tail;
    if (list->tail)
        list->tail->next = waiter;
    else
        list->head = waiter;
    list->tail = waiter;
}

/* Unlink the first waiter, `head` of the list. */
static inline void co__waitlist_pop(struct co__waitlist *list,
                                    struct co__waiter *head)
{
    struct co__waiter *next = head->next;

    CO_ASSERT(list->head == head && head->list == list && !head->prev);
    list->head = next;
    if (next)
        next->prev = NULL;
    else
        list->tail = NULL;
    head->list = NULL;
}

/* Unlink a waiter; nothing happens if somebody has done so already. */
static inline void co__waitlist_remove(struct co__waiter *waiter)
{
    struct co__waitlist *list = waiter->list;

    if (!list)
        return;
    if (waiter->prev)
        waiter->prev->next = waiter->next;
    else
        list->head = waiter->next;
    if (waiter->next)
        waiter->next->prev = waiter->prev;
    else
        list->tail = waiter->prev;
    waiter->list = NULL;
}

#endif
