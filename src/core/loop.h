/* SPDX-License-Identifier: MIT */
/*
 * core/loop.h - a loop's state. It is touched by its own thread alone, but for
 * the inbox.
 */
#ifndef CO_CORE_LOOP_H
#define CO_CORE_LOOP_H

#include <coppice/factory.h>
#include <coppice/loop.h>
#include <coppice/report.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "core/current.h"
#include "core/inbox.h"
#include "core/poller.h"
#include "core/seen.h"
#include "core/spin.h"
#include "core/task.h"
#include "core/timer.h"

#include <pthread.h>
#include <signal.h>

/* Switches between two looks at the clock, and how long without a poll. */
#define CO__SLICE       61
#define CO__POLL_PERIOD (20 * CO_US)
/* Operations that did not park, and how long, before a task gives way. The look
 * at the clock, every 16 of them, would cost more than some operations do: of
 * those 32 count as one. */
#define CO__BUDGET       128
#define CO__BUDGET_LOOK  16
#define CO__BUDGET_TIME  (100 * CO_US)
#define CO__BUDGET_LIGHT 32
#define CO__BUDGET_FULL  (CO__BUDGET_LOOK * CO__BUDGET_LIGHT)

/* Limits from FAR on are counted from the loop's last look at the clock, up to
 * GRAIN late; so many of them between two looks, see scope.c. */
#define CO__LIMIT_FAR   (256 * CO_MS)
#define CO__LIMIT_GRAIN (4 * CO_MS)
#define CO__LIMITS_MAX  64

/* Timers are exact while no more than DENSE fire in a period; beyond that they
 * are up to a period late. */
#define CO__TIMER_PERIOD CO_MS
#define CO__TIMER_DENSE  8

#define CO__SLOW (100 * CO_MS) /* unless the options say otherwise */

struct co__fd_table;
struct co__stack_pool;
struct co_future;
struct co_gen;
struct co_process;
struct co_signal;

struct co_loop {
    /* What a switch touches. */
    struct co_task *self;   /* the running task, or &root */
    struct co_task **queue; /* ring of ready tasks; room for every task */
    uint32_t head;          /* free-running; head == tail: empty */
    uint32_t tail;
    uint32_t mask;  /* entries - 1 */
    int32_t slice;  /* switches until the next look at the clock */
    int32_t budget; /* light operations until the next look at its time; one at
                     * least whenever a task goes on */
    uint32_t looks; /* such looks since the running task started */
    uint32_t flags;
    uint32_t spawned; /* tasks so far: their ids */
    uint64_t alive;   /* tasks that have not ended; not beside `held`, or
                       * compilers pair them, and a load of the pair stalls on
                       * the store of one */
    co_time now;      /* the time as of the last look */
    uint64_t held;    /* control blocks in use, ended ones too */
    struct co__stack_pool *pool;
    uint32_t look;    /* the number of the last look, see scope.c */
    uint32_t counted; /* limits that were counted from it */

    /* What a turn touches. */
    co_time polled;        /* when the reactor was last asked */
    co_time period;        /* when timers began to be counted */
    uint32_t timers_fired; /* since then */
    int timers_dense;      /* too many in the period before */
    co_time stint;         /* when the budget's clock was first looked at */
    const struct co__poller_ops *poller_ops;
    struct co__poller *poller;
    struct co__fd_table *fds;
    struct co_task *until;  /* the run ends with this task */
    struct co_task *caller; /* the callback task; NULL before the first call */
    uint32_t batch;         /* embedded: tasks left in this turn */
    uint32_t internal;      /* of `alive`: the library's own */
    unsigned size_class;    /* of stacks, unless a spawn says otherwise */
    co_time trimmed;        /* when warm stacks were last looked at */
    uint32_t id;            /* in the process-wide descriptor table */
    int debug;
    int deadlock;      /* one was found, and ended the run */
    int exposed;       /* other threads may know this loop */
    uint32_t external; /* waits, timers and jobs that end without a task of this
                        * loop doing anything */
    uint32_t remotes;  /* tasks that wait for another thread */
    struct co__spin spin; /* before a wait, while there are any */
    uint32_t choice;      /* co_select's generator; not 0 */
    co_time slow;         /* a step that takes longer is reported; debug */
    co_time min_wait;     /* for which a wait sleeps first */
    co_time step_began;
    co_error_handler error_handler; /* NULL: the default */
    void *error_handler_arg;
    struct co_future *futures; /* free ones, for reuse */
    uint32_t futures_count;
    uint32_t spare_gens_count;
    struct co_gen *spare_gens;    /* free ones, for reuse */
    struct co_gen *gens;          /* that are not freed yet */
    struct co__request *requests; /* of co_future_on_done */
    struct co__sigcall *sigcalls; /* of co_loop_add_signal */
    struct co_signal *signals;    /* of co_signal_open */
    struct co_process *processes; /* of co_process_spawn, that run */
    co_task_factory task_factory; /* valid if CO__LOOP_FACTORY */
    void *task_factory_data;
    struct co_task *in_factory; /* the task that runs it, or NULL */
    int overflow_report;
    atomic_int runs; /* 1 while a thread runs it */
    struct co_loop *registry_next, **registry_link;
    uint64_t thread;    /* that ran it last, see base/thread.h; 0: none has */
    uint64_t thread_id; /* the system's number of it */
    int sigpipe_was_pending;
    sigset_t old_mask; /* the thread's, restored after a run */

    struct co__chain *counted_in[CO__LIMITS_MAX]; /* `counted` are valid */
    struct co__timers timers;
    struct co__inbox inbox;
    struct co__seen seen;
    struct co_task root; /* the thread's own stack, while the loop runs */
};

enum co__loop_flag {
    CO__LOOP_BATCHED = 1u << 0,   /* leave when `batch` tasks have run */
    CO__LOOP_LEAVE = 1u << 1,     /* leave now: `until` has ended */
    CO__LOOP_ENDING = 1u << 2,    /* the rest is being cancelled: no spawning */
    CO__LOOP_STOPPED = 1u << 3,   /* co_loop_stop was seen in this run */
    CO__LOOP_FACTORY = 1u << 4,   /* task_factory is set */
    CO__LOOP_HOLD = 1u << 5,      /* stopping: calls wait for the next run */
    CO__LOOP_REPORTING = 1u << 6, /* the error handler runs */
};

/* Put limits right that were counted from the last look. In scope.c. */
void co__limits_settle(struct co_loop *loop, co_time now);

/* Look at the clock. */
CO_INLINE co_time co__look(struct co_loop *loop)
{
    co_time now = co__clock_read();

    if (loop->counted)
        co__limits_settle(loop, now);
    loop->now = now;
    return now;
}

/* A task's number, unique in the process. */
CO_INLINE uint64_t co__task_id(const struct co_task *task)
{
    return (uint64_t)task->loop->id << 32 | task->serial;
}

/* What changes with each switch. */
CO_INLINE void co__loop_hand_over(struct co_loop *loop, struct co_task *to)
{
    loop->self = to;
    loop->budget = CO__BUDGET_FULL;
    loop->looks = 0;
}

#endif
