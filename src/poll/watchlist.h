/* SPDX-License-Identifier: MIT */
/* poll/watchlist.h - the lists that watches of processes and signals are in. */
#ifndef CO_POLL_WATCHLIST_H
#define CO_POLL_WATCHLIST_H

#include "base/assert.h"
#include "core/poller.h"

/* `fd` is what the file that keeps the list makes of it. */
static inline void co__watchlist_add(struct co__poll_watch **list,
                                     struct co__poll_watch *watch, int id,
                                     int fd)
{
    watch->id = id;
    watch->fd = fd;
    watch->next = *list;
    watch->link = list;
    if (watch->next)
        watch->next->link = &watch->next;
    *list = watch;
}

static inline void co__watchlist_remove(struct co__poll_watch *watch)
{
    CO_ASSERT(watch->link);
    *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    watch->link = NULL;
}

/* All of them are over. */
static inline void co__watchlist_end_all(struct co__poll_watch **list)
{
    struct co__poll_watch *watch = *list;

    *list = NULL;
    for (; watch; watch = watch->next)
        watch->link = NULL;
}

/* Whether a process or signal is in the list. */
static inline int co__watchlist_has(const struct co__poll_watch *list, int id)
{
    while (list && list->id != id)
        list = list->next;
    return list != NULL;
}

#endif
