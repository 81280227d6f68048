/* SPDX-License-Identifier: MIT */
/*
 * Fetching ahead. An event leads from the descriptor's slot to the first in
 * line, to its task, and to the frames of what that waits in: each is found in
 * the one before. So they are fetched in rounds, of all events at once.
 */
#include "core/park.h"
#include "io/fdtable.h"

static const struct co__waiter *first_of(const struct co__fd_slot *slot)
{
    const struct co__waiter *reader = slot->waiters[0].head;

    return reader ? reader : slot->waiters[1].head;
}

void co__fds_expect(const struct co_loop *loop, const int *fds, unsigned count)
{
    const struct co__fd_slot *slot[CO__EXPECT_MAX];
    const struct co__waiter *first[CO__EXPECT_MAX];
    const struct co_task *task[CO__EXPECT_MAX];
    unsigned n = 0, waiting = 0;

    for (unsigned i = 0; i < count; i++) {
        slot[n] = co__fd_find(loop, fds[i]);
        if (slot[n])
            __builtin_prefetch(slot[n++]);
    }
    for (unsigned i = 0; i < n; i++) {
        first[waiting] = first_of(slot[i]);
        if (first[waiting])
            __builtin_prefetch(first[waiting++]);
    }
    for (unsigned i = 0; i < waiting; i++) {
        task[i] = first[i]->task;
        __builtin_prefetch(task[i]);
    }
    for (unsigned i = 0; i < waiting; i++)
        co__fetch_frames(task[i]);
}
