/* SPDX-License-Identifier: MIT */
/*
 * A loop is deadlocked when every task is parked and nothing outside of them
 * can wake one: no timer, no descriptor, no job in a thread pool, no thread
 * that holds the other end of a channel or future, and nobody who knows the
 * loop's address (exposed). What is outside is counted where it begins and ends
 * (loop->external), or is a wait's reason.
 *
 * Asked in debug mode each time a loop would wait without limit. The walk over
 * the tasks ends at the first one that something can wake. Whoever finds it
 * leaves for the root context, which reports it: there all tasks are parked,
 * and their stacks can be shown.
 */
#include "core/deadlock.h"

#include "base/assert.h"
#include "base/text.h"
#include "core/describe.h"
#include "core/hooks.h"
#include "core/loop.h"
#include "core/report.h"
#include "core/stack.h"

#include <errno.h>
#include <unistd.h>

static int can_wake(struct co_task *task, void *arg)
{
    (void)arg;
    if (task->state == CO__TASK_DONE || task->flags & CO__FLAG_CALLBACK)
        return 0;
    return task->state != CO__TASK_PARKED || task->until != CO_NEVER ||
           task->chain.due != CO_NEVER || task->reason == CO__WAIT_FD_READ ||
           task->reason == CO__WAIT_FD_WRITE ||
           task->reason == CO__WAIT_FD_ANY || task->reason == CO__WAIT_THREAD;
}

static struct co_task *follow(const struct co_task *task)
{
    if (!task || task->state != CO__TASK_PARKED)
        return NULL;
    return co__task_waits_for(task);
}

/* A task of a cycle that `task` leads into, or NULL (Floyd). */
static struct co_task *find_cycle(struct co_task *task)
{
    struct co_task *slow = task, *fast = task;

    do {
        slow = follow(slow);
        fast = follow(follow(fast));
        if (!fast)
            return NULL;
    } while (slow != fast);
    return slow;
}

static void print_cycle(struct co_task *first)
{
    char buffer[512];
    struct co__text text;
    struct co_task *task = first;

    co__text_init(&text, STDERR_FILENO, buffer, sizeof(buffer));
    co__text_string(&text, "coppice: the cycle:\n");
    do {
        co__text_string(&text, "  ");
        co__describe_task(&text, task);
        co__text_string(&text, " waits for ");
        co__text_string(&text, co__describe_reason(task->reason));
        co__text_string(&text, " of ");
        task = follow(task);
        co__describe_task(&text, task);
        co__text_char(&text, '\n');
    } while (task != first);
    co__text_flush(&text);
}

static int print_first_cycle(struct co_task *task, void *arg)
{
    struct co_task *in_cycle = find_cycle(task);

    (void)arg;
    if (!in_cycle)
        return 0;
    print_cycle(in_cycle);
    return 1;
}

int co__deadlocked(struct co_loop *loop)
{
    if (loop->exposed || loop->external || !loop->alive ||
        loop->flags & CO__LOOP_LEAVE || co__inbox_flagged(loop) ||
        loop->inbox.calls || co__stack_pool_each(loop->pool, can_wake, NULL))
        return 0;
    loop->deadlock = 1;
    loop->flags |= CO__LOOP_LEAVE;
    return 1;
}

void co__deadlock_report(struct co_loop *loop)
{
    co_report report = {
        .size = sizeof(report),
        .message = "deadlock: every task waits for another",
        .error = -EDEADLK,
    };

    co__report(loop, &report);
    co__stack_pool_each(loop->pool, print_first_cycle, NULL);
    co__deadlock_dump(loop);
    if (loop->flags & CO__LOOP_ENDING)
        co__die("a deadlock that cancelling the tasks does not end: they wait "
                "in shields");
}
