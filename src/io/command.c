/* SPDX-License-Identifier: MIT */
/*
 * Calls as commands, on loops whose backend carries commands out.
 *
 * The line is the same as for tries (io.c): only the first has a command under
 * way, so calls are served in their order, and who waits for readiness alone
 * waits for its turn. Who is woken for another reason than the end of its
 * command waits on.
 *
 * co_close cancels the command of the first in line before the descriptor is
 * closed. What was done by then is returned.
 */
#include "io/io.h"

#include "core/command.h"

#include <string.h>

/* Until the waiter is the first in line. */
static CO_NOINLINE int wait_turn(const struct co__here *here,
                                 struct co__fd_slot *slot,
                                 const struct co__op *op,
                                 struct co__waiter *waiter)
{
    int r;

    while (co__fd_waiters(slot, op->direction)->head != waiter) {
        r = co__io_limits(here);
        if (r == 0)
            r = co__park(here->loop, here->task, co__io_reason(op->direction));
        if (r < 0)
            return r;
        if (!waiter->list)
            return -EBADF;
        if (!co__fd_current(slot)) {
            co__fd_drop(here->loop, op->fd, slot);
            return -EBADF;
        }
    }
    return 0;
}

/* The command of the first in line. */
static int carry_out(const struct co__here *here, struct co__fd_slot *slot,
                     struct co__op *op, struct co__fd_command *line)
{
    struct co__command *command = &line->command;
    int r;

    memset(command, 0, sizeof(*command));
    command->hint = CO__HINT_BOUND;
    op->kind->describe(op, command);
    command->fd = op->fd;
    command->done = co__command_ended;
    command->task = here->task;
    command->gen = slot->gen;
    r = here->loop->poller_ops->submit(here->loop->poller, command);
    if (CO_UNLIKELY(r < 0))
        return r;
    slot->flags |= (uint16_t)CO__FD_BUSY(op->direction);
    r = co__command_wait(here, command, co__io_reason(op->direction));
    if (CO_UNLIKELY(!line->waiter.list)) /* closed: the slot is not ours */
        return r == -ECANCELED ? -EBADF : r;
    slot->flags &= (uint16_t)~CO__FD_BUSY(op->direction);
    return r;
}

ssize_t co__io_command(const struct co__here *here, struct co__fd_slot *slot,
                       struct co__op *op)
{
    struct co__waitlist *list = co__fd_waiters(slot, op->direction);
    struct co__fd_command line;
    int r = 0;

    here->task->wait_fd = op->fd;
    co__waitlist_push(list, &line.waiter, here->task);
    if (CO_UNLIKELY(list->head != &line.waiter))
        r = wait_turn(here, slot, op, &line.waiter);
    if (r == 0)
        r = carry_out(here, slot, op, &line);
    if (CO_LIKELY(line.waiter.list != NULL)) {
        co__waitlist_remove(&line.waiter);
        co__fd_pass(slot, op->direction);
    }
    return r;
}
