/* SPDX-License-Identifier: MIT */
/*
 * Spawning, joining, sleeping and cancelling: what a task is from outside.
 */
#include "core/task.h"

#include <coppice/cancel.h>

#include "base/clock.h"
#include "base/wait.h"
#include "core/future.h"
#include "core/hooks.h"
#include "core/keep.h"
#include "core/queue.h"
#include "core/report.h"
#include "core/sched.h"
#include "core/spawn.h"
#include "core/stack.h"
#include "core/turn.h"

#include <stddef.h>
#include <string.h>

_Static_assert(offsetof(struct co_task, places) == 2 * CO_CACHE_LINE,
               "spawning and ending touch two lines");

/* ---- spawning ------------------------------------------------------------ */

static struct co_task *fail(int error)
{
    errno = error;
    return NULL;
}

static struct co_task *make(struct co_loop *loop, const char *site,
                            unsigned size_class, co_task_fn fn, void *arg)
{
    const struct co_task *parent = loop->self;
    struct co_task *task;

    if (CO_UNLIKELY(loop->held > loop->mask) && co__queue_grow(loop) < 0)
        return fail(ENOMEM);
    task = co__stack_take(loop->pool, size_class);
    if (CO_UNLIKELY(!task))
        return NULL;
    co__task_begin(loop, task, site, fn, arg);
    task->parent_serial = parent ? parent->serial : 0;
    if (CO_UNLIKELY(parent && parent->flags & CO__FLAG_ATTACHED))
        co__locals_inherit(task, parent);
    return task;
}

struct co_task *co__spawn(struct co_loop *loop, const char *site,
                          unsigned size_class, co_task_fn fn, void *arg)
{
    struct co_task *task = make(loop, site, size_class, fn, arg);

    if (CO_LIKELY(task != NULL))
        co__queue_push(loop, task);
    return task;
}

struct co_task *co__spawn_parked(struct co_loop *loop, const char *site,
                                 unsigned size_class, co_task_fn fn, void *arg,
                                 enum co__wait_reason reason)
{
    struct co_task *task = make(loop, site, size_class, fn, arg);

    if (!task)
        return NULL;
    task->state = CO__TASK_PARKED;
    task->reason = (uint8_t)reason;
    task->since = loop->now;
    task->until = CO_NEVER;
    return task;
}

struct co_task *co__spawn_internal(struct co_loop *loop, const char *site,
                                   const char *name, co_task_fn fn, void *arg)
{
    struct co_task *self = loop->self;
    struct co_task *task;

    loop->self = NULL;
    task = co__spawn(loop, site, loop->size_class, fn, arg);
    loop->self = self;
    if (!task)
        return NULL;
    task->flags |= CO__FLAG_DETACHED | CO__FLAG_INTERNAL;
    co_task_set_name(task, name);
    loop->internal++;
    return task;
}

void co__internal_ended(struct co_loop *loop)
{
    loop->internal--;
}

/* As the options say, in a loop that takes tasks. */
static struct co_task *spawn_as(struct co_loop *loop, const char *site,
                                const co_spawn_options *options, co_task_fn fn,
                                void *arg)
{
    struct co_task *task;
    int size_class = (int)loop->size_class;
    int r;

    if (!options)
        return co__spawn(loop, site, loop->size_class, fn, arg);
    if (options->size != sizeof(*options))
        return fail(EINVAL);
    if (options->stack_size)
        size_class = co__stack_class(options->stack_size);
    if (size_class < 0)
        return fail(-size_class);
    if (options->group) {
        r = options->detached ? -EINVAL : co__group_admits(options->group);
        if (r < 0)
            return fail(-r);
    }
    task = make(loop, site, (unsigned)size_class, fn, arg);
    if (!task)
        return NULL;
    if (options->name)
        co_task_set_name(task, options->name);
    if (options->detached)
        task->flags |= CO__FLAG_DETACHED;
    if (options->group)
        co__group_adopt(options->group, task);
    task->paused = options->no_hooks != 0;
    if (options->eager)
        co__run_first(loop, task);
    else
        co__queue_push(loop, task);
    return task;
}

static struct co_task *spawn_by_factory(struct co_loop *loop, const char *site,
                                        const co_spawn_options *options,
                                        co_task_fn fn, void *arg)
{
    struct co_task *outer = loop->in_factory;
    struct co_task *task;

    loop->in_factory = loop->self;
    task = loop->task_factory(site, options, fn, arg, loop->task_factory_data);
    loop->in_factory = outer;
    return task;
}

static CO_NOINLINE struct co_task *spawn(const char *site,
                                         const co_spawn_options *options,
                                         co_task_fn fn, void *arg)
{
    struct co_loop *loop = co__loop;

    if (!fn)
        return fail(EINVAL);
    if (!loop)
        return fail(EPERM);
    if (loop->flags & CO__LOOP_ENDING)
        return fail(ESHUTDOWN);
    if (loop->flags & CO__LOOP_FACTORY && loop->in_factory != loop->self)
        return spawn_by_factory(loop, site, options, fn, arg);
    return spawn_as(loop, site, options, fn, arg);
}

co_task *co_spawn_at(const char *site, co_task_fn fn, void *arg)
{
    struct co_task *task = co__spawn_plain(site, fn, arg);

    return CO_LIKELY(task != NULL) ? task : spawn(site, NULL, fn, arg);
}

co_task *co_spawn_with_at(const char *site, const co_spawn_options *options,
                          co_task_fn fn, void *arg)
{
    return spawn(site, options, fn, arg);
}

const co_spawn_options *co__spawn_eager(void)
{
    static const co_spawn_options eager = {.size = sizeof(eager), .eager = 1};

    return &eager;
}

const co_spawn_options *co__spawn_no_hooks(void)
{
    static const co_spawn_options no_hooks = {.size = sizeof(no_hooks),
                                              .no_hooks = 1};

    return &no_hooks;
}

int co_loop_set_task_factory(co_loop *loop, co_task_factory factory, void *data)
{
    if (!loop)
        return -EINVAL;
    loop->task_factory = factory;
    loop->task_factory_data = data;
    loop->flags &= ~CO__LOOP_FACTORY;
    if (factory)
        loop->flags |= CO__LOOP_FACTORY;
    return 0;
}

/* ---- joining ------------------------------------------------------------- */

static CO_COLD int wrong_thread(const struct co_task *task, const char *call)
{
    co__report_wrong_thread(task->loop, call);
    return -EPERM;
}

/* Whether a handle can be used from here: 0, -EINVAL or -EPERM. */
CO_INLINE int check_handle(const struct co_task *task, const char *call)
{
    if (CO_UNLIKELY(!task || task->state == CO__TASK_FREE))
        return -EINVAL;
    if (CO_UNLIKELY(!co__loop || task->loop != co__loop))
        return wrong_thread(task, call);
    return 0;
}

int co_join(co_task *task, int *result)
{
    struct co_loop *loop = co__loop;
    struct co_task *self;
    int r = check_handle(task, "co_join");

    if (CO_UNLIKELY(r < 0))
        return r;
    self = loop->self;
    if (CO_UNLIKELY(task == self))
        return -EDEADLK;
    if (CO_UNLIKELY(task->flags & (CO__FLAG_DETACHED | CO__FLAG_CALLBACK)))
        return -EINVAL;
    if (CO_UNLIKELY(task->joiner != NULL))
        return -EBUSY;
    r = co__enter(loop, self);
    if (CO_UNLIKELY(r < 0))
        return r;
    if (task->state != CO__TASK_DONE) {
        task->joiner = self;
        r = co__park_for(loop, self, CO__WAIT_JOIN, task);
        task->joiner = NULL;
        if (CO_UNLIKELY(r < 0))
            return r;
    }
    if (result)
        *result = task->result;
    co__task_free(task);
    return 0;
}

int co_detach(co_task *task)
{
    int r = check_handle(task, "co_detach");

    if (r < 0)
        return r;
    if (task->flags & (CO__FLAG_DETACHED | CO__FLAG_CALLBACK))
        return -EINVAL;
    if (task->joiner)
        return -EBUSY;
    task->flags |= CO__FLAG_DETACHED;
    if (task->state != CO__TASK_DONE)
        return 0;
    if (CO_UNLIKELY(task->result < 0 && co__loop->debug) &&
        !(task->flags & CO__FLAG_ATTACHED && task->future))
        co__report_unseen(task); /* a future says so itself */
    co__task_free(task);
    return 0;
}

/* ---- cancelling ---------------------------------------------------------- */

void co__cancel(struct co_task *task)
{
    task->chain.cancels++;
    co__chain_update(&task->chain);
    co__limits_changed(task);
}

int co_cancel(co_task *task)
{
    int r = check_handle(task, "co_cancel");

    if (r < 0)
        return r;
    if (task->flags & CO__FLAG_CALLBACK)
        return -EINVAL;
    if (task->chain.cancels == INT32_MAX)
        return -EOVERFLOW;
    co__cancel(task);
    return (int)task->chain.cancels;
}

int co_uncancel(co_task *task)
{
    int r = check_handle(task, "co_uncancel");

    if (r < 0)
        return r;
    if (task->chain.cancels)
        task->chain.cancels--;
    co__chain_update(&task->chain);
    return (int)task->chain.cancels;
}

int co_cancelling(const co_task *task)
{
    if (!task || task->state == CO__TASK_FREE)
        return -EINVAL;
    return (int)task->chain.cancels;
}

/* ---- sleeping ------------------------------------------------------------ */

/* A thread outside any task sleeps within its scopes. */
static CO_COLD int sleep_thread(co_time until)
{
    struct co__chain *chain = co__chain_current();
    co_time end = until < chain->due ? until : chain->due;
    co_time now = co__clock_read();
    int r = co__chain_error(chain, now);

    if (r < 0)
        return r;
    if (CO_UNLIKELY(co__clock_virtual)) {
        co__clock_jump(end);
        return end == until ? 0 : co__chain_error(chain, end);
    }
    for (; now < end; now = co__clock_read())
        co__poll(NULL, 0, end - now); /* a signal ends it early */
    return end == until ? 0 : co__chain_error(chain, now);
}

int co_sleep(co_time ns)
{
    struct co__here here;
    co_time now;
    int r;

    if (ns <= 0)
        return co_yield_now();
    if (CO_UNLIKELY(!co__here(&here)))
        return sleep_thread(co__time_add(co__clock_read(), ns));
    now = co__look(here.loop);
    r = co__enter(here.loop, here.task);
    if (CO_UNLIKELY(r < 0))
        return r;
    return co__park_until(here.loop, here.task, CO__WAIT_SLEEP,
                          co__time_add(now, ns));
}

int co_sleep_until(co_time when)
{
    struct co__here here;
    int r;

    if (when <= co__clock_read())
        return co_yield_now();
    if (CO_UNLIKELY(!co__here(&here)))
        return sleep_thread(when);
    r = co__enter(here.loop, here.task);
    if (CO_UNLIKELY(r < 0))
        return r;
    return co__park_until(here.loop, here.task, CO__WAIT_SLEEP, when);
}

/* ---- about tasks --------------------------------------------------------- */

co_task *co_self(void)
{
    return co__loop ? co__loop->self : NULL;
}

const char *co_task_name(const co_task *task)
{
    return task ? task->name : NULL;
}

const char *co_task_site(const co_task *task)
{
    return task ? task->site : NULL;
}

int co_task_set_name(co_task *task, const char *name)
{
    if (!task)
        return -EINVAL;
    if (!name)
        name = "";
    task->flags |= CO__FLAG_NAMED;
    /* The rest stays zero from here on: readers always find an end. */
    memset(task->name, 0, sizeof(task->name));
    memcpy(task->name, name, strnlen(name, CO_TASK_NAME_MAX));
    return 0;
}
