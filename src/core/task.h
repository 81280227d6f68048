/* SPDX-License-Identifier: MIT */
/*
 * core/task.h - a task's control block. It sits at the top of the task's own
 * stack, in the one page that a parked task keeps, and its memory stays a
 * control block for as long as the slab is mapped, so a stale handle reads
 * state == FREE or another task, never foreign memory.
 */
#ifndef CO_CORE_TASK_H
#define CO_CORE_TASK_H

#include <coppice/task.h>

#include "base/compiler.h"
#include "base/sanitize.h"
#include "core/scope.h"
#include "core/timer.h"
#include "core/waitlist.h"

struct co_loop;
struct co__slab;

enum co__task_state {
    CO__TASK_FREE = 0, /* the stack waits for reuse */
    CO__TASK_READY,    /* in the run queue, or running (loop->self) */
    CO__TASK_PARKED,   /* waits; `reason` says for what */
    CO__TASK_DONE,     /* has ended; the handle is still held */
};

/* What a parked task waits for; the dump prints it. */
enum co__wait_reason {
    CO__WAIT_NONE = 0,
    CO__WAIT_SLEEP,
    CO__WAIT_JOIN,
    CO__WAIT_FD_READ,
    CO__WAIT_FD_WRITE,
    CO__WAIT_FD_ANY,
    CO__WAIT_CALLS, /* the callback task, for its next call */
    CO__WAIT_FUTURE,
    CO__WAIT_GROUP,
    CO__WAIT_GATHER,
    CO__WAIT_MUTEX,
    CO__WAIT_RWLOCK,
    CO__WAIT_COND,
    CO__WAIT_EVENT,
    CO__WAIT_SEM,
    CO__WAIT_BARRIER,
    CO__WAIT_WAITGROUP,
    CO__WAIT_ONCE,
    CO__WAIT_CHAN_SEND,
    CO__WAIT_CHAN_RECV,
    CO__WAIT_SELECT,
    CO__WAIT_QUEUE_PUT,
    CO__WAIT_QUEUE_GET,
    CO__WAIT_QUEUE_JOIN,
    CO__WAIT_GENERATOR, /* a consumer, for the next value: waits_for is valid,
                         * and limits interrupt that task, see hooks.h */
    CO__WAIT_CONSUMER,  /* a generator, to be asked for one */
    CO__WAIT_OFFLOAD,
    CO__WAIT_FILE,
    CO__WAIT_PROCESS,
    CO__WAIT_SIGNAL,
    CO__WAIT_EXIT,   /* a process, to end */
    CO__WAIT_THREAD, /* another thread is about to let go */
    CO__WAIT_LOT,    /* at an address, see sync/lot.h */
    CO__WAIT_REASON_COUNT,
};

enum co__task_flag {
    CO__FLAG_DETACHED = 1u << 0,   /* nobody joins it */
    CO__FLAG_CALLBACK = 1u << 1,   /* the loop's own task: must not suspend */
    CO__FLAG_NEW = 1u << 2,        /* has not started: `sp` holds no frame */
    CO__FLAG_DEEP = 1u << 3,       /* free, and its deep pages may be in use */
    CO__FLAG_ATTACHED = 1u << 4,   /* future and locals are valid */
    CO__FLAG_HANDS_OVER = 1u << 5, /* when it ends its joiner, whose value is
                                    * set, runs at once, and it is freed */
    CO__FLAG_INTERNAL = 1u << 6,   /* the library's: not shown, not counted */
    CO__FLAG_TIMED = 1u << 7,      /* its timer may be armed */
    CO__FLAG_NAMED = 1u << 8,      /* its name may have been set */
    CO__FLAG_KEEPS = 1u << 9,      /* it has a keeper, see keep.h */
    CO__FLAG_CHILD = 1u << 10,     /* of a group, which nobody joins */
    CO__FLAG_GENERATOR = 1u << 11, /* its joiner waits for its next value */
};

struct co_task {
    /* What a switch touches. This cache line and the next are all that spawning
     * and ending touch. */
    void *sp; /* saved stack pointer; of a new one what to prefetch, and stale
               * while it runs */
    struct co__chain chain;
    int32_t value; /* what its co__park returns */
    uint8_t state;
    uint8_t reason; /* valid while parked */
    uint16_t flags;
    struct co_loop *loop; /* NULL while free */
    co_time since;        /* when it parked */
    co_time until;        /* its own deadline (sleep); CO_NEVER: none */

    /* What start and end touch. */
    union {
        struct co_task *joiner; /* the task that joins it, or NULL */
        struct co_group *group; /* valid if CO__FLAG_CHILD */
    };
    union {
        struct co_task *next_free;       /* warm list; valid while free */
        co_task_fn fn;                   /* until it has started */
        struct co_task *waits_for;       /* then: see co__task_waits_for */
        struct co_task *const *waits_on; /* likewise */
        struct co_case *cases;           /* valid while it waits for one, in
                                          * its places; see sync/select.c */
    };
    void *arg;
    const char *site;
    struct co_task *group_next, *group_prev; /* valid if `group` is */
    uint32_t parent_serial; /* who spawned it; 0: no task has */
    uint32_t serial;        /* unique in the loop, never 0; see co__task_id */
    union {
        int32_t result;  /* valid when done */
        int32_t wait_fd; /* valid while parked for a descriptor */
    };
    uint8_t size_class;
    uint8_t paused; /* co_hook_pause blocks that it is in, see io/guest.h */

    /* What standing in line, see waitlist.h, and waiting with a limit touch. */
    struct co__waiter places[CO__PLACES]; /* see co__park_in */
    struct co__timer timer;
    struct co__slab *slab;

    /* What few tasks have: valid if CO__FLAG_ATTACHED, see co__task_attach. */
    struct co_future *future;  /* resolved when the task ends; or NULL */
    struct co__locals *locals; /* or NULL */

    char name[CO_TASK_NAME_MAX + 1]; /* zero bytes unless CO__FLAG_NAMED */

    struct co__fiber fiber; /* the sanitizers' view */
};

/* Start a task; `self` of the loop is its parent. In task.c. Returns NULL with
 * errno ENOMEM. */
struct co_task *co__spawn(struct co_loop *loop, const char *site,
                          unsigned size_class, co_task_fn fn, void *arg);
/* The same, but it waits, for `reason`, until it is woken: the value is lost,
 * for it has not begun. */
struct co_task *co__spawn_parked(struct co_loop *loop, const char *site,
                                 unsigned size_class, co_task_fn fn, void *arg,
                                 enum co__wait_reason reason);

/* The task that has to act for this one, a parked one, to go on; NULL: it is
 * not known. Who parks for one of these reasons says it, see sched.h. */
CO_INLINE struct co_task *co__task_waits_for(const struct co_task *task)
{
    switch (task->reason) {
    case CO__WAIT_JOIN:
    case CO__WAIT_FUTURE:
    case CO__WAIT_GENERATOR:
        return task->waits_for;
    case CO__WAIT_GROUP:
    case CO__WAIT_MUTEX:
    case CO__WAIT_RWLOCK:
    case CO__WAIT_ONCE:
        return *task->waits_on;
    default:
        return NULL;
    }
}

/* A task of the library's own, nobody's child, that the end of the loop cancels
 * as others. It calls _ended before it returns. NULL with errno. */
struct co_task *co__spawn_internal(struct co_loop *loop, const char *site,
                                   const char *name, co_task_fn fn, void *arg);
void co__internal_ended(struct co_loop *loop);
/* Count one more cancel of any task, whether its loop runs or not. */
void co__cancel(struct co_task *task);

/* Make future and locals valid: NULL, if they were not. */
CO_INLINE void co__task_attach(struct co_task *task)
{
    if (task->flags & CO__FLAG_ATTACHED)
        return;
    task->flags |= CO__FLAG_ATTACHED;
    task->future = NULL;
    task->locals = NULL;
}

#endif
