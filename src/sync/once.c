/* SPDX-License-Identifier: MIT */
/*
 * Who runs the function is the runner; when it fails the role is handed to the
 * first waiter. Invariant: while a task waits there is a runner.
 */
#include <coppice/once.h>

#include "sync/holder.h"
#include "sync/simple.h"

/* What a waiter is granted. */
enum grant {
    GRANT_ROLE, /* it is the runner now */
    GRANT_DONE,
};

static int run(co_once *once, co_task_fn fn, void *arg)
{
    struct co__waiter *next;
    int r = fn(arg);

    if (r >= 0) {
        once->co__result = r;
        once->co__done = 1;
        once->co__runner = NULL;
        co__waitlist_wake_all(&once->co__waiters, GRANT_DONE);
    } else {
        next = co__waitlist_grant(&once->co__waiters, GRANT_ROLE);
        once->co__runner = next ? next->task : NULL;
    }
    return r;
}

static int wait(const struct co__here *here, co_once *once)
{
    if (once->co__runner == here->task)
        return -EDEADLK;
    if (CO_UNLIKELY(!here->loop))
        return -EPERM;
    here->task->waits_on = &once->co__runner;
    return co__park_in(here->loop, here->task, &once->co__waiters,
                       CO__WAIT_ONCE);
}

int co_once_do(co_once *once, co_task_fn fn, void *arg)
{
    struct co__here here;
    int r;

    if (CO_UNLIKELY(!once || !fn))
        return -EINVAL;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (CO_LIKELY(once->co__done))
        return once->co__result;
    if (once->co__runner) {
        r = wait(&here, once);
        if (r < 0)
            return r;
        if (r == GRANT_DONE)
            return once->co__result;
    } else {
        once->co__runner = here.task;
    }
    return run(once, fn, arg);
}

int co_once_is_done(const co_once *once)
{
    return once && once->co__done;
}

void co_once_fini(co_once *once)
{
    if (once && once->co__runner)
        co__misuse("co_once_fini", "a task is at it");
}
