/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors.
 *
 * Who waits stands in line, and stays there until its call is done: a newcomer
 * queues behind. Only the first in line tries; being woken means "try", so
 * nothing is ever handed over that could be lost. On every way out the next in
 * line is woken if something is left for it, or if the event that it relies on
 * may have been spent on us.
 *
 * An event or a cancel, whichever makes the task ready first decides: woken by
 * an event, a task tries before it looks at a cancel that came later.
 */
#include "io/io.h"

#include "base/clock.h"

#define PAUSE_FIRST (1 * CO_MS)
#define PAUSE_MOST  (32 * CO_MS)

static enum co__wait_reason reason_of(int direction)
{
    return direction == CO_WRITABLE ? CO__WAIT_FD_WRITE : CO__WAIT_FD_READ;
}

/* Another limit may have come while the task was awake. */
static int limits(const struct co__here *here)
{
    if (here->task->chain.due > here->loop->now)
        return 0;
    return co__chain_error(&here->task->chain, here->loop->now);
}

/* Park until it is worth a try. The waiter is in line from here on. */
static int wait_turn(const struct co__here *here, struct co__fd_slot *slot,
                     const struct co__op *op, struct co__waiter *waiter,
                     co_time *pause)
{
    struct co_loop *loop = here->loop;
    int r;

    if (!waiter->list) {
        co__waitlist_push(co__fd_waiters(slot, op->direction), waiter,
                          here->task);
    } else {
        r = limits(here);
        if (r < 0)
            return r;
    }
    here->task->wait_fd = op->fd;
    if (op->mode & CO__OP_BACKOFF) {
        r = co__park_until(loop, here->task, reason_of(op->direction),
                           co__time_add(loop->now, *pause));
        *pause = *pause * 2 < PAUSE_MOST ? *pause * 2 : PAUSE_MOST;
    } else {
        r = co__fd_await(loop, slot, op->fd, op->direction);
        if (r < 0)
            return r;
        r = co__park(loop, here->task, reason_of(op->direction));
    }
    if (r < 0)
        return r;
    if (!waiter->list)
        return -EBADF; /* closed after we were woken */
    if (!co__fd_current(slot)) {
        co__fd_drop(loop, op->fd, slot);
        return -EBADF;
    }
    return 0;
}

int co__io_enter(void)
{
    struct co__here here;

    return co__here(&here) ? co__enter(here.loop, here.task)
                           : co__block_enter();
}

CO_NOINLINE ssize_t co__io_wait(const struct co__here *here, struct co__op *op)
{
    struct co__waiter waiter = {.list = NULL};
    struct co__fd_slot *slot;
    struct co__waitlist *list;
    co_time pause = PAUSE_FIRST;
    ssize_t n = co__fd_slot(here->loop, op->fd, &slot);
    int blind; /* nothing is known: try */

    if (n < 0)
        return n;
    list = co__fd_waiters(slot, op->direction);
    blind = !(slot->flags & CO__FD_OWN) || op->mode;
    for (;;) {
        int first = waiter.list ? list->head == &waiter : !list->head;

        if (first && (blind || slot->ready & op->direction)) {
            n = op->attempt(op, slot->flags);
            co__io_tried(slot, op, op->direction, n);
            if (n != -EAGAIN)
                break;
        }
        n = -EAGAIN;
        if (op->mode & CO__OP_NOWAIT)
            break;
        n = wait_turn(here, slot, op, &waiter, &pause);
        if (n < 0)
            break;
        blind = op->mode & CO__OP_BACKOFF;
    }
    if (waiter.list) {
        co__waitlist_remove(&waiter);
        co__fd_pass(slot, op->direction);
    }
    return n;
}

/* ---- waiting alone ------------------------------------------------------- */

/* Stand in line, in both lines if need be, and park. */
static int wait_ready(const struct co__here *here, struct co__fd_slot *slot,
                      int fd, int directions, struct co__waiter waiters[2])
{
    static const enum co__wait_reason reasons[] = {
        [CO_READABLE] = CO__WAIT_FD_READ,
        [CO_WRITABLE] = CO__WAIT_FD_WRITE,
        [CO_READABLE | CO_WRITABLE] = CO__WAIT_FD_ANY,
    };
    int r;

    for (int i = 0; i < 2; i++)
        if (directions & (i ? CO_WRITABLE : CO_READABLE) && !waiters[i].list)
            co__waitlist_push(&slot->waiters[i], &waiters[i], here->task);
    r = co__fd_await(here->loop, slot, fd, directions);
    if (r < 0)
        return r;
    here->task->wait_fd = fd;
    r = co__park(here->loop, here->task, reasons[directions]);
    if (r < 0)
        return r;
    if (!waiters[0].list && !waiters[1].list)
        return -EBADF;
    if (co__fd_current(slot))
        return 0;
    co__fd_drop(here->loop, fd, slot);
    return -EBADF;
}

/*
 * Which directions are ready. Of our own descriptors it is often known: an
 * event that nobody has acted upon says yes, a drained stream no. Otherwise
 * what we remember may be out of date, and the kernel decides.
 */
static int ready_now(const struct co__fd_slot *slot, int fd, int directions)
{
    if (slot->flags & CO__FD_OWN) {
        if (slot->ready & CO__FD_FRESH(directions))
            return slot->ready >> 2 & directions;
        if (!(slot->ready & directions))
            return 0;
    }
    return co__fd_poll(fd, directions);
}

int co_wait_fd(int fd, int directions)
{
    struct co__waiter waiters[2] = {{.list = NULL}, {.list = NULL}};
    struct co__here here;
    struct co__fd_slot *slot;
    int n;

    if (!directions || directions & ~(CO_READABLE | CO_WRITABLE))
        return -EINVAL;
    if (!co__here(&here))
        return co__block_fd(fd, directions);
    n = co__enter(here.loop, here.task);
    if (n < 0)
        return n;
    n = co__fd_slot(here.loop, fd, &slot);
    if (n < 0)
        return n;
    for (;;) {
        n = ready_now(slot, fd, directions);
        if (n != 0)
            break;
        slot->ready &= (uint8_t) ~(directions | CO__FD_FRESH(directions));
        n = limits(&here);
        if (n == 0)
            n = wait_ready(&here, slot, fd, directions, waiters);
        if (n < 0)
            break;
    }
    for (int i = 0; i < 2; i++) {
        if (!waiters[i].list)
            continue;
        co__waitlist_remove(&waiters[i]);
        co__fd_pass(slot, i ? CO_WRITABLE : CO_READABLE);
    }
    return n;
}
