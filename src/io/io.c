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
#include "core/command.h"
#include "core/fdhook.h"
#include "io/ahead.h"
#include "io/guest.h"

#define PAUSE_FIRST (1 * CO_MS)
#define PAUSE_MOST  (32 * CO_MS)

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
        r = co__io_limits(here);
        if (r < 0)
            return r;
    }
    here->task->wait_fd = op->fd;
    if (op->mode & CO__OP_BACKOFF) {
        r = co__park_until(loop, here->task, co__io_reason(op->direction),
                           co__time_add(loop->now, *pause));
        *pause = *pause * 2 < PAUSE_MOST ? *pause * 2 : PAUSE_MOST;
    } else {
        r = op->mode & CO__OP_AHEAD
                ? co__ahead_await(loop, slot, op->fd)
                : co__fd_await(loop, slot, op->fd, op->direction);
        if (r < 0)
            return r;
        r = co__park(loop, here->task, co__io_reason(op->direction));
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

/* Whether it is done by a command; `slot` may be NULL, or another number's. */
CO_INLINE int is_command(const struct co__here *here,
                         const struct co__fd_slot *slot,
                         const struct co__op *op)
{
    return CO_UNLIKELY(co__commands(here->loop)) && slot &&
           slot->flags & CO__FD_SEEN && co__fd_current(slot) &&
           co__fd_commanded(slot) && op->kind->describe && !op->mode &&
           !(here->task->flags & CO__FLAG_CALLBACK);
}

/* For readiness; or of a slot that has just been bound. */
static CO_NOINLINE ssize_t try_and_wait(const struct co__here *here,
                                        struct co__op *op)
{
    struct co__waiter waiter = {.list = NULL};
    struct co__fd_slot *slot;
    struct co__waitlist *list;
    co_time pause = PAUSE_FIRST;
    ssize_t n = co__fd_slot(here->loop, op->fd, &slot);
    int blind; /* nothing is known: try */

    if (n < 0)
        return n;
    if (is_command(here, slot, op))
        return co__io_command(here, slot, op);
    list = co__fd_waiters(slot, op->direction);
    blind = !(slot->flags & CO__FD_OWN) || op->mode & ~CO__OP_AHEAD ||
            (co__commands(here->loop) && !(slot->flags & CO__FD_ACCEPTS));
    for (;;) {
        int first = waiter.list ? list->head == &waiter : !list->head;

        if (first && (blind || slot->ready & op->direction)) {
            n = op->kind->attempt(op, slot->flags);
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
    if (waiter.list)
        co__fd_leave(slot, op->fd, op->direction, &waiter);
    return n;
}

/* Has no frame: what a task touches that goes on counts. */
CO_NOINLINE ssize_t co__io_wait(const struct co__here *here, struct co__op *op)
{
    struct co__fd_slot *slot = co__fd_find(here->loop, op->fd);

    if (is_command(here, slot, op))
        return co__io_command(here, slot, op);
    return try_and_wait(here, op);
}

ssize_t co__io_by_command(struct co__op *op)
{
    struct co__here here;
    struct co__fd_slot *slot;
    ssize_t r;

    if (!co__here(&here) || !co__commands(here.loop))
        return -EOPNOTSUPP;
    r = co__enter(here.loop, here.task);
    if (r < 0)
        return r;
    r = co__fd_slot(here.loop, op->fd, &slot);
    if (r < 0)
        return r;
    return is_command(&here, slot, op) ? co__io_command(&here, slot, op)
                                       : -EOPNOTSUPP;
}

/* ---- waiting alone ------------------------------------------------------- */

int co__fd_wait_begin(struct co_loop *loop, struct co__fd_wait *wait, int fd,
                      int directions)
{
    if (!directions || directions & ~(CO_READABLE | CO_WRITABLE))
        return -EINVAL;
    wait->fd = fd;
    wait->directions = directions;
    wait->waiters[0].list = wait->waiters[1].list = NULL;
    wait->linked = 0;
    return co__fd_slot(loop, fd, &wait->slot);
}

/* Whether the descriptor was closed while we stood in line. */
static int was_closed(struct co_loop *loop, const struct co__fd_wait *wait)
{
    if (!wait->linked)
        return 0;
    if (!wait->waiters[0].list && !wait->waiters[1].list)
        return 1;
    if (co__fd_current(wait->slot))
        return 0;
    co__fd_drop(loop, wait->fd, wait->slot);
    return 1;
}

/*
 * Which directions are ready. Of our own descriptors it is often known: an
 * event that nobody has acted upon says yes, a drained stream no. Otherwise
 * what we remember may be out of date, and the kernel decides.
 */
int co__fd_wait_ready(struct co_loop *loop, struct co__fd_wait *wait)
{
    struct co__fd_slot *slot = wait->slot;
    int directions = wait->directions;
    int n;

    if (was_closed(loop, wait))
        return -EBADF;
    if (slot->flags & CO__FD_OWN) {
        if (slot->ready & CO__FD_FRESH(directions))
            return slot->ready >> 2 & directions;
        if (!(slot->ready & directions))
            return 0;
    }
    n = co__fd_poll(wait->fd, directions);
    if (n == 0 && slot->flags & CO__FD_AHEAD)
        return directions & CO_READABLE;
    if (n == 0)
        slot->ready &= (uint8_t) ~(directions | CO__FD_FRESH(directions));
    return n;
}

int co__fd_wait_link(struct co_loop *loop, struct co__fd_wait *wait,
                     struct co_task *task)
{
    wait->linked = 1;
    for (int i = 0; i < 2; i++)
        if (wait->directions & (i ? CO_WRITABLE : CO_READABLE) &&
            !wait->waiters[i].list)
            co__waitlist_push(&wait->slot->waiters[i], &wait->waiters[i], task);
    return co__fd_await(loop, wait->slot, wait->fd, wait->directions);
}

void co__fd_wait_end(struct co__fd_wait *wait)
{
    for (int i = 0; i < 2; i++)
        if (wait->waiters[i].list)
            co__fd_leave(wait->slot, wait->fd, i ? CO_WRITABLE : CO_READABLE,
                         &wait->waiters[i]);
}

static int park_alone(const struct co__here *here, struct co__fd_wait *wait,
                      enum co__wait_reason reason)
{
    int n = co__io_limits(here);

    if (n == 0)
        n = co__fd_wait_link(here->loop, wait, here->task);
    if (n < 0)
        return n;
    here->task->wait_fd = wait->fd;
    return co__park(here->loop, here->task, reason);
}

int co__fd_wait_alone(const struct co__here *here, int fd, int directions,
                      enum co__wait_reason reason)
{
    struct co__fd_wait wait;
    int n = co__fd_wait_begin(here->loop, &wait, fd, directions);

    if (n < 0)
        return n;
    while ((n = co__fd_wait_ready(here->loop, &wait)) == 0) {
        n = park_alone(here, &wait, reason);
        if (n < 0)
            break;
    }
    co__fd_wait_end(&wait);
    return n;
}

static enum co__wait_reason reason_of(int directions)
{
    return directions == (CO_READABLE | CO_WRITABLE)
               ? CO__WAIT_FD_ANY
               : co__io_reason(directions);
}

int co_wait_fd(int fd, int directions)
{
    struct co__here here;
    int n;

    if (!directions || directions & ~(CO_READABLE | CO_WRITABLE))
        return -EINVAL;
    if (!co__here(&here))
        return co__block_fd(fd, directions);
    n = co__enter(here.loop, here.task);
    if (n < 0)
        return n;
    return co__fd_wait_alone(&here, fd, directions, reason_of(directions));
}

/* ---- waiting between two looks ------------------------------------------- */

/* What an event has said since it was last forgotten; it is told once. */
static int take_event(struct co__fd_slot *slot, int directions)
{
    int n = slot->ready >> 2 & directions;

    slot->ready &= (uint8_t) ~(n | CO__FD_FRESH(n));
    return n && !slot->sticky ? n | CO__GUEST_ALL : n;
}

/* Who is woken without an event was next in line after one that has left: it
 * asks the kernel, and stays in line, lest these go on waking each other. */
int co__guest_wait_fd(int fd, int directions)
{
    struct co__here here = {co__loop, co__loop->self};
    struct co__fd_wait wait;
    int n = co__fd_wait_begin(here.loop, &wait, fd, directions);
    if (n < 0)
        return n;
    /* Of our own we know more than the caller does. */
    if (wait.slot->flags & CO__FD_OWN)
        return co__fd_wait_alone(&here, fd, directions, reason_of(directions));
    wait.slot->ready &= (uint8_t) ~(directions | CO__FD_FRESH(directions));
    do {
        n = park_alone(&here, &wait, reason_of(directions));
        if (n < 0)
            break;
        n = was_closed(here.loop, &wait) ? -EBADF
                                         : take_event(wait.slot, directions);
        if (n == 0)
            n = co__fd_wait_ready(here.loop, &wait);
    } while (n == 0);
    co__fd_wait_end(&wait);
    return n;
}
