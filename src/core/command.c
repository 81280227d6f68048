/* SPDX-License-Identifier: MIT */
/* Waiting for a command. See command.h for the rule about cancelling. */
#include "core/command.h"

#include "core/park.h"

void co__command_ended(struct co__command *command, int result, unsigned end)
{
    (void)end;
    command->result = result;
    co__wake_inline(command->task, 0);
}

/* The kernel is told to let go, and what it says then is waited for. */
static CO_NOINLINE int interrupted(const struct co__here *here,
                                   struct co__command *command,
                                   enum co__wait_reason reason, int error)
{
    const struct co__poller_ops *ops = here->loop->poller_ops;

    ops->cancel(here->loop->poller, command);
    while (!command->over)
        co__park_shielded(here->loop, here->task, reason);
    return command->result == -ECANCELED ? error : command->result;
}

int co__command_wait_on(const struct co__here *here,
                        struct co__command *command,
                        enum co__wait_reason reason, int r)
{
    struct co_task *task = here->task;

    while (CO_UNLIKELY(!command->over)) {
        if (r == 0 && task->chain.due <= here->loop->now)
            r = co__chain_error(&task->chain, here->loop->now);
        if (r < 0)
            return interrupted(here, command, reason, r);
        r = co__park(here->loop, task, reason);
    }
    return r < 0 && command->result == -ECANCELED ? r : command->result;
}

int co__command_run(const struct co__here *here, struct co__command *command,
                    enum co__wait_reason reason)
{
    struct co_loop *loop = here->loop;
    int r;

    if (here->task->flags & CO__FLAG_CALLBACK)
        return -EPERM;
    command->task = here->task;
    command->done = co__command_ended;
    r = loop->poller_ops->submit(loop->poller, command);
    if (r < 0)
        return r;
    loop->external++;
    r = co__command_wait(here, command, reason);
    loop->external--;
    return r;
}
