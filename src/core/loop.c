/* SPDX-License-Identifier: MIT */
/*
 * A loop's life: making, running, turning, ending.
 *
 * A turn, step by step:
 *  1. If it may wait: until the caller's deadline or the next timer, but not at
 *     all if the inbox is flagged. Before a wait stacks that nobody needs are
 *     trimmed, a few at a time.
 *  2. The poller waits and reports events; each makes the first task that waits
 *     for it ready (co__fd_ready).
 *  3. The clock is read.
 *  4. Timers that are due make their tasks ready, in the order of deadlines.
 *  5. Calls from other threads are taken, and make the callback task ready.
 * Nothing here switches tasks, so a turn can run on any task's stack.
 */
#include "core/loop.h"

#include <coppice/cancel.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "core/fdhook.h"
#include "core/fork.h"
#include "core/overflow.h"
#include "core/queue.h"
#include "core/sched.h"
#include "core/stack.h"
#include "core/turn.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define TRIM_PERIOD (10 * CO_MS)

static atomic_uint loop_ids;

/* ---- a turn -------------------------------------------------------------- */

static int run_calls(void *arg)
{
    struct co_loop *loop = arg;

    for (;;) {
        co__inbox_run(&loop->inbox);
        co__park(loop, loop->self, CO__WAIT_CALLS);
    }
    return 0;
}

/* There are calls: have the callback task run them. */
static void wake_caller(struct co_loop *loop)
{
    struct co_task *self = loop->self;

    if (loop->caller) {
        co__wake(loop->caller, 0);
        return;
    }
    loop->self = NULL; /* nobody's child */
    loop->caller =
        co__spawn(loop, CO_SITE, loop->size_class, run_calls, loop);
    loop->self = self;
    if (!loop->caller) {
        /* No memory now: the calls stay, and the next turn tries again. */
        atomic_store(&loop->inbox.flagged, 1);
        return;
    }
    loop->caller->flags |= CO__FLAG_CALLBACK;
    loop->alive--;
    co_task_set_name(loop->caller, "loop callbacks");
}

/*
 * When a wait for the next timer ends. Each wait that ends for a timer costs
 * two context switches of the kernel's, several times the work itself, so with
 * many timers a millisecond all but the first few waits last until the
 * millisecond is over. What is due by then is made ready in its order.
 */
static co_time coalesce(struct co_loop *loop, co_time timer)
{
    if (loop->polled - loop->period >= CO__TIMER_PERIOD) {
        loop->period = loop->polled;
        loop->timer_waits = 0;
    }
    if (loop->timer_waits++ < CO__TIMER_WAITS)
        return timer;
    if (timer < loop->period + CO__TIMER_PERIOD)
        return loop->period + CO__TIMER_PERIOD;
    return timer;
}

/* Until when to wait; 0: not at all. */
static co_time wait_until(struct co_loop *loop, co_time deadline)
{
    co_time timer = co__timers_next(&loop->timers);

    if (timer < deadline) {
        timer = coalesce(loop, timer);
        if (timer < deadline)
            deadline = timer;
    }
    if (deadline != CO_NEVER) {
        loop->now = co__clock_read();
        if (deadline <= loop->now)
            return 0;
    }
    if (loop->now - loop->trimmed >= TRIM_PERIOD) {
        loop->trimmed = loop->now;
        co__stack_pool_idle(loop->pool);
    }
    return co__inbox_sleep(&loop->inbox) ? deadline : 0;
}

/* With the virtual clock time does not pass, it jumps. */
static void jump(struct co_loop *loop, co_time deadline)
{
    co_time timer = co__timers_next(&loop->timers);

    if (timer > deadline)
        timer = deadline;
    if (timer != CO_NEVER && !co__queue_length(loop) &&
        !co__inbox_flagged(loop))
        co__clock_jump(timer);
}

void co__turn(struct co_loop *loop, co_time deadline)
{
    struct co__timer *timer;
    co_time until = 0;

    if (deadline)
        until = wait_until(loop, deadline);
    if (CO_UNLIKELY(co__clock_virtual) && loop->timers.count)
        until = 0;
    loop->poller_ops->wait(loop->poller, loop->now, until);
    if (deadline)
        co__inbox_awake(&loop->inbox);
    if (CO_UNLIKELY(co__clock_virtual))
        jump(loop, deadline);
    loop->now = loop->polled = co__clock_read();
    while ((timer = co__timers_expire(&loop->timers, loop->now)))
        co__task_expired(CO_CONTAINER_OF(timer, struct co_task, timer),
                         loop->now);
    if (!co__inbox_flagged(loop) && !loop->inbox.calls)
        return;
    if (co__inbox_take(&loop->inbox))
        wake_caller(loop);
    if (atomic_exchange(&loop->inbox.stop, 0)) {
        loop->flags |= CO__LOOP_BATCHED | CO__LOOP_STOPPED;
        loop->batch = co__queue_length(loop);
        loop->slice = 1;
    }
}

/* ---- running ------------------------------------------------------------- */

static void block_sigpipe(struct co_loop *loop)
{
    sigset_t pipe_only, pending;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    loop->sigpipe_was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &loop->old_mask);
}

static void restore_sigpipe(struct co_loop *loop)
{
    static const struct timespec at_once = { 0 };
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (!loop->sigpipe_was_pending)
        while (sigtimedwait(&pipe_only, NULL, &at_once) == SIGPIPE)
            continue;
    pthread_sigmask(SIG_SETMASK, &loop->old_mask, NULL);
}

/* Make `loop` the one that runs on this thread. */
static int begin(struct co_loop *loop)
{
    int idle = 0;
    int r;

    if (co__loop || !atomic_compare_exchange_strong(&loop->runs, &idle, 1))
        return -EDEADLK;
    if (loop->overflow_report) {
        r = co__overflow_enter();
        if (r < 0) {
            atomic_store(&loop->runs, 0);
            return r;
        }
    }
    block_sigpipe(loop);
    co__fiber_adopt(&loop->root.fiber);
    co__inbox_awake(&loop->inbox);
    loop->flags &= ~(CO__LOOP_BATCHED | CO__LOOP_LEAVE | CO__LOOP_STOPPED);
    loop->slice = 1; /* look at the inbox before the first task */
    loop->self = &loop->root;
    loop->now = loop->polled = co__clock_read();
    co__loop = loop;
    return 0;
}

static void end(struct co_loop *loop)
{
    co__loop = NULL;
    loop->self = NULL;
    restore_sigpipe(loop);
    if (loop->overflow_report)
        co__overflow_leave();
    if (!co__inbox_sleep(&loop->inbox))
        loop->poller_ops->wake(loop->poller);
    atomic_store(&loop->runs, 0); /* now another thread may run or free it */
}

/* The root context: run tasks until the run is over. Waiting for events is
 * mostly done by the task that parks last; here only when one has ended. */
static void run(struct co_loop *loop, int (*over)(const struct co_loop *))
{
    while (!(loop->flags & CO__LOOP_LEAVE) && !over(loop)) {
        struct co_task *task = co__next(loop);

        if (task == &loop->root)
            break;
        if (task)
            co__switch_from_root(loop, task);
        else if (loop->flags & CO__LOOP_BATCHED)
            break;
        else
            co__turn(loop, CO_NEVER);
    }
}

static int never_over(const struct co_loop *loop)
{
    (void)loop;
    return 0;
}

static int all_ended(const struct co_loop *loop)
{
    return !loop->alive && !loop->inbox.calls && !co__inbox_flagged(loop) &&
           !co__queue_length(loop);
}

/* ---- ending -------------------------------------------------------------- */

/* Handles stay valid to the end: a task that is left may join its children
 * while it cleans up, since they may use its memory. */
static int cancel_one(struct co_task *task, void *arg)
{
    struct co_loop *loop = arg;
    int ended = task->state == CO__TASK_DONE;

    if (task->flags & CO__FLAG_CALLBACK)
        return 0;
    if (loop->debug && !(task->flags & CO__FLAG_DETACHED) &&
        !(ended && task->joiner))
        co__warn("task \"%s\" (%s) %s when its loop ended", task->name,
                 task->site, ended ? "was not joined" : "had not ended");
    if (!ended)
        co_cancel(task);
    return 0;
}

static int free_one(struct co_task *task, void *arg)
{
    (void)arg;
    co__task_free(task);
    return 0;
}

/* Cancel what is left and wait for it. The loop runs on this thread. */
static void drain(struct co_loop *loop)
{
    loop->flags |= CO__LOOP_ENDING;
    loop->flags &= ~(CO__LOOP_BATCHED | CO__LOOP_LEAVE);
    loop->until = NULL;
    co__stack_pool_each(loop->pool, cancel_one, loop);
    do {
        run(loop, all_ended);
        /* A stop is no reason to leave tasks behind. */
        loop->flags &= ~CO__LOOP_BATCHED;
    } while (!all_ended(loop));
    co__stack_pool_each(loop->pool, free_one, NULL);
    loop->caller = NULL;
}

/* ---- making and freeing -------------------------------------------------- */

int co__queue_grow(struct co_loop *loop)
{
    uint32_t room = loop->queue ? (loop->mask + 1) * 2 : CO__QUEUE_MIN;
    struct co_task **queue = co__alloc(room * sizeof(struct co_task *));
    uint32_t length = co__queue_length(loop);

    if (!queue)
        return -ENOMEM;
    for (uint32_t i = 0; i < length; i++)
        queue[i] = loop->queue[(loop->head + i) & loop->mask];
    co__free(loop->queue);
    loop->queue = queue;
    loop->mask = room - 1;
    loop->head = 0;
    loop->tail = length;
    return 0;
}

static int choose_poller(struct co_loop *loop, const char *name)
{
    int r = -ENOSYS;

    for (size_t i = 0; co__pollers[i]; i++) {
        if (name && strcmp(name, co__pollers[i]->name) != 0)
            continue;
        loop->poller_ops = co__pollers[i];
        r = loop->poller_ops->open(loop, &loop->poller);
        if (r != -ENOSYS)
            break;
    }
    return r;
}

static int debug_wanted(const co_loop_options *options)
{
    const char *env;

    if (options->debug)
        return 1;
    env = getenv("COPPICE_DEBUG");
    return env && *env && strcmp(env, "0") != 0;
}

static int init(struct co_loop *loop, const co_loop_options *options)
{
    size_t stack = options->stack_size ? options->stack_size
                                       : CO__STACK_SIZE_DEFAULT;
    int r = co__stack_class(stack);

    if (r < 0)
        return r;
    loop->size_class = (unsigned)r;
    loop->overflow_report = !options->no_overflow_report;
    loop->debug = debug_wanted(options);
    loop->id = atomic_fetch_add(&loop_ids, 1) + 1;
    loop->root.loop = loop;
    loop->root.chain.due = CO_NEVER;
    loop->root.flags = CO__FLAG_CALLBACK;
    atomic_store(&loop->inbox.asleep, 1);
    r = co__fork_prepare();
    if (r < 0)
        return r;
    if (loop->overflow_report && (r = co__overflow_install()) < 0)
        return r;
    r = co__queue_grow(loop);
    if (r < 0)
        return r;
    loop->pool = co__stack_pool_get();
    if (!loop->pool) {
        r = -ENOMEM;
        goto free_queue;
    }
    loop->now = co__clock_read();
    r = co__timers_init(&loop->timers, loop->now);
    if (r < 0)
        goto put_pool;
    r = co__fds_open(loop);
    if (r < 0)
        goto fini_timers;
    r = choose_poller(loop, options->backend);
    if (r == 0)
        return 0;

    co__fds_close(loop);
fini_timers:
    co__timers_fini(&loop->timers);
put_pool:
    co__stack_pool_put(loop->pool);
free_queue:
    co__free(loop->queue);
    return r;
}

co_loop *co_loop_new(const co_loop_options *options)
{
    static const co_loop_options defaults = { .size = sizeof(defaults) };
    struct co_loop *loop;
    int r;

    if (!options)
        options = &defaults;
    if (options->size != sizeof(*options)) {
        errno = EINVAL;
        return NULL;
    }
    loop = co__alloc_zero(sizeof(*loop));
    if (!loop) {
        errno = ENOMEM;
        return NULL;
    }
    r = init(loop, options);
    if (r < 0) {
        co__free(loop);
        errno = -r;
        return NULL;
    }
    return loop;
}

void co_loop_free(co_loop *loop)
{
    if (!loop)
        return;
    if (atomic_load(&loop->runs))
        co__die("co_loop_free of a loop that runs");
    if (loop->held || loop->inbox.calls || atomic_load(&loop->inbox.newest)) {
        int r = begin(loop);

        if (r == -ENOMEM) { /* its tasks must end all the same */
            loop->overflow_report = 0;
            r = begin(loop);
        }
        if (r < 0)
            co__die("co_loop_free of a loop with tasks while another runs");
        drain(loop);
        end(loop);
    }
    CO_ASSERT(!loop->held);
    loop->poller_ops->close(loop->poller);
    co__fds_close(loop);
    co__timers_fini(&loop->timers);
    co__stack_pool_put(loop->pool);
    co__free(loop->queue);
    co__free(loop);
}

/* ---- the public ways to run ---------------------------------------------- */

static co_task *spawn_into(const char *site, co_loop *loop, co_task_fn fn,
                           void *arg)
{
    return co__spawn(loop, site, loop->size_class, fn, arg);
}

/* Run until fn has returned, or a stop. The loop runs on this thread. */
static int run_main(const char *site, co_loop *loop, co_task_fn fn, void *arg,
                    int *result)
{
    co_task *task = spawn_into(site, loop, fn, arg);

    if (!task)
        return -errno;
    task->joiner = &loop->root; /* it is this run's: nobody else's to join */
    loop->until = task;
    run(loop, never_over);
    loop->until = NULL;
    task->joiner = NULL;
    if (!(loop->flags & CO__LOOP_LEAVE)) {
        task->flags |= CO__FLAG_DETACHED;
        return -EINTR;
    }
    atomic_store(&loop->inbox.stop, 0); /* a stop meant this run */
    if (result)
        *result = task->result;
    co__task_free(task);
    return 0;
}

int co_loop_run_until_at(const char *site, co_loop *loop, co_task_fn fn,
                         void *arg, int *result)
{
    int r;

    if (!loop || !fn)
        return -EINVAL;
    r = begin(loop);
    if (r < 0)
        return r;
    r = run_main(site, loop, fn, arg, result);
    end(loop);
    return r;
}

int co_loop_run_forever(co_loop *loop)
{
    int r;

    if (!loop)
        return -EINVAL;
    r = begin(loop);
    if (r < 0)
        return r;
    run(loop, never_over);
    end(loop);
    return 0;
}

int co_run_with_at(const char *site, const co_loop_options *options,
                   co_task_fn fn, void *arg, int *result)
{
    co_loop *loop;
    int r;

    if (!fn)
        return -EINVAL;
    if (co__loop)
        return -EDEADLK;
    loop = co_loop_new(options);
    if (!loop)
        return -errno;
    r = begin(loop);
    if (r == 0) {
        r = run_main(site, loop, fn, arg, result);
        drain(loop);
        end(loop);
    }
    co_loop_free(loop);
    return r;
}

int co_run_at(const char *site, co_task_fn fn, void *arg)
{
    int result = 0;
    int r = co_run_with_at(site, NULL, fn, arg, &result);

    return r < 0 ? r : result;
}

co_loop *co_loop_running(void)
{
    return co__loop;
}

co_task *co_loop_spawn_at(const char *site, co_loop *loop, co_task_fn fn,
                          void *arg)
{
    if (!loop || !fn)
        errno = EINVAL;
    else if (loop != co__loop && atomic_load(&loop->runs))
        errno = EPERM;
    else if (loop->flags & CO__LOOP_ENDING)
        errno = ESHUTDOWN;
    else
        return spawn_into(site, loop, fn, arg);
    return NULL;
}

size_t co_loop_task_count(const co_loop *loop)
{
    return loop ? loop->alive : 0;
}

/* ---- embedding ----------------------------------------------------------- */

int co_loop_fd(const co_loop *loop)
{
    return loop ? loop->poller_ops->fd(loop->poller) : -EINVAL;
}

co_time co_loop_next_deadline(const co_loop *loop)
{
    if (!loop)
        return -EINVAL;
    if (co__queue_length(loop) || co__inbox_flagged(loop))
        return 0;
    return co__timers_next(&((co_loop *)loop)->timers);
}

int co_loop_turn(co_loop *loop, co_time max_wait)
{
    co_time deadline = 0;
    int r;

    if (!loop || max_wait < 0)
        return -EINVAL;
    r = begin(loop);
    if (r < 0)
        return r;
    if (max_wait && !co__queue_length(loop))
        deadline = co__time_add(loop->now, max_wait);
    co__turn(loop, deadline);
    loop->flags |= CO__LOOP_BATCHED;
    loop->batch = co__queue_length(loop);
    loop->slice = 1;
    run(loop, never_over);
    end(loop);
    return loop->alive > INT_MAX ? INT_MAX : (int)loop->alive;
}
