/* SPDX-License-Identifier: MIT */
/* Making and freeing a loop. */
#include "core/loop.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "core/backend.h"
#include "core/fdhook.h"
#include "core/fork.h"
#include "core/future.h"
#include "core/hooks.h"
#include "core/overflow.h"
#include "core/queue.h"
#include "core/registry.h"
#include "core/report.h"
#include "core/run.h"
#include "core/stack.h"

#include <errno.h>
#include <string.h>

static atomic_uint loop_ids;

int co__queue_grow(struct co_loop *loop)
{
    uint32_t room = loop->queue ? (loop->mask + 1) * 2 : CO__QUEUE_MIN;
    struct co_task **queue = co__alloc(room * sizeof(struct co_task *));
    uint32_t length = co__queue_length(loop);

    if (!queue)
        return -ENOMEM;
    for (uint32_t i = 0; loop->queue && i < length; i++)
        queue[i] = loop->queue[(loop->head + i) & loop->mask];
    co__free(loop->queue);
    loop->queue = queue;
    loop->mask = room - 1;
    loop->head = 0;
    loop->tail = length;
    return 0;
}

static int debug_wanted(const co_loop_options *options)
{
    return options->debug || co__debug_by_environment();
}

static int init(struct co_loop *loop, const co_loop_options *options)
{
    size_t stack =
        options->stack_size ? options->stack_size : CO__STACK_SIZE_DEFAULT;
    int r = co__stack_class(stack);

    if (r < 0)
        return r;
    if (options->slow_ns < 0 || options->min_wait_ns < 0 ||
        options->min_wait_ns > CO_SEC)
        return -EINVAL;
    loop->size_class = (unsigned)r;
    loop->overflow_report = !options->no_overflow_report;
    loop->debug = debug_wanted(options);
    loop->slow = options->slow_ns ? options->slow_ns : CO__SLOW;
    loop->min_wait = options->min_wait_ns;
    loop->exposed = 1;
    loop->choice = 1;
    loop->look = CO__SCOPE_LOOK;
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
    r = co__backend_open(loop, options->backend);
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
    static const co_loop_options defaults = {.size = sizeof(defaults)};
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
    co__registry_add(loop);
    co__watchdog_begin();
    return loop;
}

void co_loop_free(co_loop *loop)
{
    if (!loop)
        return;
    if (atomic_load(&loop->runs))
        co__die("co_loop_free of a loop that runs");
    if (loop->held || loop->requests || loop->inbox.calls ||
        atomic_load(&loop->inbox.newest)) {
        int r = co__run_begin(loop);

        if (r == -ENOMEM) { /* its tasks must end all the same */
            loop->overflow_report = 0;
            r = co__run_begin(loop);
        }
        if (r < 0)
            co__die("co_loop_free of a loop with tasks, while another runs or "
                    "on another thread than theirs");
        co__run_drain(loop);
        co__run_end(loop);
    }
    CO_ASSERT(!loop->held);
    co__inbox_quiesce(&loop->inbox);
    co__registry_remove(loop);
    co__processes_close(loop);
    co__event_close(loop);
    loop->poller_ops->close(loop->poller);
    co__fds_close(loop);
    co__timers_fini(&loop->timers);
    co__stack_pool_put(loop->pool);
    co__gens_free(loop);
    co__future_pool_free(loop);
    co__free(loop->queue);
    co__free(loop);
}
