/* SPDX-License-Identifier: MIT */
/*
 * What is queued, on its way to the kernel. An entry has a descriptor's number,
 * and the kernel looks it up when the entry is submitted: at the end of the
 * turn. If another thread closes the descriptor before that, the number may be
 * something else by then, whose bytes the entry would take. So that thread
 * first ends the number's generation, and says that it has; and before a
 * submission after that each entry is weeded out whose generation is over.
 *
 * Not taken out: an end is owed for each. The kernel says it, -EBADF, as of any
 * number that is not open, of -1.
 */
#include "core/command.h"
#include "poll/uring.h"

/* Pairs with co__uring_weeded, which then sees the end of the generation. */
void co__uring_lapse(struct co__poller *poller)
{
    atomic_store(&poller->lapsed, 1);
}

static int has_lapsed(struct co__poller *poller, uint64_t data)
{
    const struct co__command *command;
    const struct co__uring_watch *watch;
    int fd;

    if (data & 1) {
        watch = co__uring_watch_of(poller, data, &fd);
        return watch && co__fd_lapsed(fd, watch->gen);
    }
    if (data < CO__URING_COMMANDS)
        return 0;
    command = (const struct co__command *)(uintptr_t)data;
    return command->hint & CO__HINT_BOUND &&
           co__fd_lapsed(command->fd, command->gen);
}

CO_COLD void co__uring_weed(struct co__poller *poller)
{
    const struct io_uring_sq *sq = &poller->ring.sq;

    for (unsigned i = *sq->khead; i != sq->sqe_tail; i++) {
        struct io_uring_sqe *sqe = &sq->sqes[i & sq->ring_mask];

        if (has_lapsed(poller, sqe->user_data))
            sqe->fd = -1;
    }
}

/* The flag stays: who wants room has looked at his number already, and queues
 * for it after this. */
CO_COLD struct io_uring_sqe *co__uring_make_room(struct co__poller *poller)
{
    if (atomic_load(&poller->lapsed))
        co__uring_weed(poller);
    io_uring_submit(&poller->ring);
    return io_uring_get_sqe(&poller->ring);
}
