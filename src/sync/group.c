/* SPDX-License-Identifier: MIT */
/*
 * Groups. The children are linked through their control blocks, so that neither
 * a spawn nor an end allocates or searches. Nobody holds a child's handle for
 * long: it is flagged as detached, and freed by the scheduler as it ends.
 *
 * A group is closed from the first failure, cancel, or limit of its waiter,
 * until the wait that takes its error has opened it again. Closing cancels the
 * children there are, and no more can come: so each is cancelled once.
 *
 * One task waits at most, as with a join: what closes and opens the group again
 * is then one place in the program.
 */
#include <coppice/cancel.h>
#include <coppice/group.h>

#include "base/assert.h"
#include "base/clock.h"
#include "core/future.h"
#include "core/hooks.h"
#include "core/report.h"
#include "core/sched.h"
#include "core/spawn.h"

#define FLAG_CLOSED 1u

/* What the last child's end wakes the waiter with; 0 is the grace period's. */
#define ALL_ENDED 1

/* ---- closing ------------------------------------------------------------- */

static void close_group(co_group *group)
{
    if (group->co__flags & FLAG_CLOSED)
        return;
    group->co__flags |= FLAG_CLOSED;
    for (co_task *task = group->co__first; task; task = task->group_next)
        co_cancel(task);
}

/* The first error is the group's, and the end of the rest. */
static void fail(co_group *group, int error, const char *site)
{
    if (!group->co__error) {
        group->co__error = error;
        group->co__site = site;
    }
    close_group(group);
}

/* ---- children ------------------------------------------------------------ */

static int of_other_loop(const co_group *group)
{
    return group->co__first && group->co__first->loop != co__loop;
}

int co__group_admits(const struct co_group *group)
{
    if (CO_UNLIKELY(of_other_loop(group)))
        return -EPERM;
    return CO_UNLIKELY(group->co__flags & FLAG_CLOSED) ? -ECANCELED : 0;
}

CO_INLINE void adopt(co_group *group, co_task *task)
{
    task->flags |= CO__FLAG_DETACHED | CO__FLAG_CHILD;
    task->group = group;
    task->group_next = NULL;
    task->group_prev = group->co__last;
    if (group->co__last)
        group->co__last->group_next = task;
    else
        group->co__first = task;
    group->co__last = task;
    group->co__count++;
}

void co__group_adopt(struct co_group *group, struct co_task *task)
{
    adopt(group, task);
}

static void leave(co_group *group, co_task *task)
{
    if (task->group_prev)
        task->group_prev->group_next = task->group_next;
    else
        group->co__first = task->group_next;
    if (task->group_next)
        task->group_next->group_prev = task->group_prev;
    else
        group->co__last = task->group_prev;
    group->co__count--;
    task->flags &= (uint16_t)~CO__FLAG_CHILD;
    task->joiner = NULL;
}

/* Only the first error is returned: say in debug mode what the others were. */
static void child_failed(co_group *group, co_task *task)
{
    if (task->result == -ECANCELED && task->chain.cancels)
        return;
    if (group->co__error && task->loop->debug)
        co__report_task(task, task->result,
                        "failed in a group that had an error already");
    fail(group, task->result, task->site);
}

CO_INLINE void wake_waiter(const co_group *group)
{
    if (!group->co__first && group->co__waiter)
        co__wake(group->co__waiter, ALL_ENDED);
}

static CO_NOINLINE void child_unusual(co_group *group, co_task *task)
{
    if (task->flags & CO__FLAG_ATTACHED)
        co__future_task_joined(task);
    if (task->result < 0)
        child_failed(group, task);
    wake_waiter(group);
}

void co__group_child_ended(struct co_task *task)
{
    co_group *group = task->group;

    leave(group, task);
    if (CO_UNLIKELY(task->flags & CO__FLAG_ATTACHED || task->result < 0))
        child_unusual(group, task);
    else
        wake_waiter(group);
}

static co_task *refuse(int error)
{
    errno = error;
    return NULL;
}

static CO_NOINLINE co_task *spawn_general(const char *site, co_group *group,
                                          co_task_fn fn, void *arg)
{
    co_task *task;
    int r = group ? co__group_admits(group) : -EINVAL;

    if (r < 0)
        return refuse(-r);
    task = co_spawn_at(site, fn, arg);
    if (task)
        adopt(group, task);
    return task;
}

co_task *co_group_spawn_at(const char *site, co_group *group, co_task_fn fn,
                           void *arg)
{
    co_task *task = NULL;

    if (CO_LIKELY(group && co__group_admits(group) == 0))
        task = co__spawn_plain(site, fn, arg);
    if (CO_UNLIKELY(!task))
        return spawn_general(site, group, fn, arg);
    adopt(group, task);
    return task;
}

co_task *co_group_spawn_with_at(const char *site, co_group *group,
                                const co_spawn_options *options, co_task_fn fn,
                                void *arg)
{
    co_spawn_options own;

    if (!group || (options && options->size != sizeof(*options)))
        return refuse(EINVAL);
    own = options ? *options : (co_spawn_options){.size = sizeof(own)};
    if (own.group && own.group != group)
        return refuse(EINVAL);
    own.group = group;
    return co_spawn_with_at(site, &own, fn, arg);
}

/* ---- waiting ------------------------------------------------------------- */

/* Until the children have ended, or the grace period has. */
static int park(const struct co__here *here, co_group *group, co_time until)
{
    int r;

    group->co__waiter = here->task;
    here->task->waits_on = &group->co__first;
    r = co__park_until(here->loop, here->task, CO__WAIT_GROUP, until);
    group->co__waiter = NULL;
    return r;
}

/* Returns 0, or how the waiter's own limits ended it. */
static int wait_limited(const struct co__here *here, co_group *group,
                        co_time until)
{
    while (group->co__first) {
        int r = park(here, group, until);

        if (r < 0)
            return r;
        if (r != ALL_ENDED) {
            close_group(group);
            until = CO_NEVER;
        } else if (group->co__first) { /* spawned since: a wait of its own */
            r = co__chain_error(&here->task->chain, here->loop->now);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static void wait_shielded(const struct co__here *here, co_group *group)
{
    co_scope shield = {0};

    co__scope_shield(&shield, 0);
    while (group->co__first)
        park(here, group, CO_NEVER);
    co__scope_leave(&shield);
}

/* The group's error, and it is as new. */
static int take(co_group *group)
{
    int r = group->co__error;

    CO_ASSERT(!group->co__first && !group->co__count && !group->co__waiter);
    group->co__error = 0;
    group->co__site = NULL;
    group->co__flags = 0;
    return r;
}

static int wait_until(co_group *group, co_time until)
{
    struct co__here here;
    int r;

    if (!group)
        return -EINVAL;
    if (CO_UNLIKELY(of_other_loop(group)))
        return -EPERM;
    if (CO_UNLIKELY(!co__here(&here)))
        return take(group);
    if (CO_UNLIKELY(here.task->flags & CO__FLAG_CALLBACK && group->co__first))
        return -EPERM;
    r = co__enter(here.loop, here.task);
    if (CO_UNLIKELY(here.task->flags & CO__FLAG_CHILD &&
                    here.task->group == group))
        return -EDEADLK;
    if (CO_UNLIKELY(group->co__waiter != NULL))
        return -EBUSY;
    if (CO_LIKELY(r == 0))
        r = wait_limited(&here, group, until);
    if (CO_UNLIKELY(r < 0)) {
        fail(group, r, NULL);
        wait_shielded(&here, group);
    }
    return take(group);
}

int co_group_wait(co_group *group)
{
    return wait_until(group, CO_NEVER);
}

int co_group_cancel(co_group *group)
{
    if (!group)
        return -EINVAL;
    if (of_other_loop(group))
        return -EPERM;
    close_group(group);
    return 0;
}

int co_group_cancel_after(co_group *group, co_time grace_ns)
{
    if (grace_ns > 0)
        return wait_until(group, co__time_add(co__clock_read(), grace_ns));
    int r = co_group_cancel(group);
    return r < 0 ? r : wait_until(group, CO_NEVER);
}

/* ---- looking, and the end ------------------------------------------------ */

size_t co_group_count(const co_group *group)
{
    return group ? group->co__count : 0;
}

int co_group_error(const co_group *group)
{
    return group ? group->co__error : 0;
}

static CO_COLD void report_unseen(const co_group *group)
{
    co_report report = {
        .size = sizeof(report),
        .message = "failed in a group that nobody waited for",
        .site = group->co__site,
        .error = group->co__error,
    };

    co__report(co__loop, &report);
}

void co_group_fini(co_group *group)
{
    const co_task *first;

    if (!group)
        return;
    first = group->co__first;
    if (first && co__loop) /* a forked child has lost its tasks, see fork.c */
        co__die("co_group_fini of a group with %zu children, the first of them "
                "task \"%s\" (%s)",
                group->co__count, first->name, first->site);
    if (group->co__waiter)
        co__die("co_group_fini of a group that task \"%s\" (%s) waits for",
                group->co__waiter->name, group->co__waiter->site);
    if (CO_UNLIKELY(group->co__error) && co__loop && co__loop->debug)
        report_unseen(group);
    *group = (co_group){0};
}
