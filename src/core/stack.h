/* SPDX-License-Identifier: MIT */
/*
 * core/stack.h - where tasks' stacks, and with them their control blocks, come
 * from. One pool belongs to one loop at a time; a thread keeps one between
 * loops. See stack.c for how.
 */
#ifndef CO_CORE_STACK_H
#define CO_CORE_STACK_H

#include <coppice/stack.h>

#include "base/assert.h"
#include "core/task.h"

#define CO__STACK_SIZE_DEFAULT ((size_t)256 << 10)

struct co__stack_pool;

/* Some consecutive stacks. Descriptors are never freed, only reused, so that a
 * signal handler may read the list of them at any time. */
struct co__slab {
    struct co__slab *next;     /* of the pool's size class */
    struct co__slab *next_any; /* of all in the process; never changes */
    char *base;                /* NULL: the descriptor is unused */
    size_t stride;             /* bytes a stack, its guard included */
    int taken;                 /* the descriptor; under the lock of the list */
    uint32_t count;
    uint32_t used;  /* stacks below this index were used */
    uint32_t *cold; /* indexes of trimmed stacks; NULL: none yet */
    uint32_t cold_count;
    int lsan_root;
    struct co__stack_pool *pool;
};

#define CO__CLASS_COUNT 17 /* 16 KiB to 1 GiB */
#define CO__QUARANTINE  64

struct co__size_class {
    struct co_task *warm;
    uint32_t warm_count;
    struct co__slab *slabs; /* newest first */
    struct co__slab *cold;  /* where to look for a cold stack first */
};

struct co__stack_pool {
    struct co__size_class classes[CO__CLASS_COUNT];
    size_t slab_count;
    size_t slab_bytes;
    uint64_t taken_cold; /* since the loop was made, as is `trimmed` */
    uint64_t trimmed;
    int any_cold; /* some stack may be cold */
    /* Debug builds let handles lie before they are reused, so that a stale one
     * is noticed. */
    struct co_task *quarantine[CO__QUARANTINE];
    unsigned quarantined;
};

/* This thread's kept pool, or a new one; NULL: no memory. */
struct co__stack_pool *co__stack_pool_get(void);
/* Give back a pool none of whose stacks is in use. */
void co__stack_pool_put(struct co__stack_pool *pool);

/* The size class for a stack of at least `bytes`; < 0: -EINVAL. */
int co__stack_class(size_t bytes);
size_t co__stack_class_bytes(unsigned size_class);

/*
 * A control block on a stack of its own, state FREE, CO__FLAG_NEW; NULL with
 * errno ENOMEM. The stack ends below the block.
 */
struct co_task *co__stack_take_slow(struct co__stack_pool *pool,
                                    unsigned size_class);
/* Whether one is at hand that needs no more than to be popped. */
CO_INLINE int co__stack_warm(const struct co__stack_pool *pool,
                             unsigned size_class)
{
    return !CO__DEBUG && !CO__SANITIZED && pool->classes[size_class].warm;
}
CO_INLINE struct co_task *co__stack_warm_pop(struct co__stack_pool *pool,
                                             unsigned size_class)
{
    struct co__size_class *class = &pool->classes[size_class];
    struct co_task *task = class->warm;

    class->warm = task->next_free;
    class->warm_count--;
    task->flags = CO__FLAG_NEW;
    return task;
}
CO_INLINE struct co_task *co__stack_take(struct co__stack_pool *pool,
                                         unsigned size_class)
{
    return CO_LIKELY(co__stack_warm(pool, size_class))
               ? co__stack_warm_pop(pool, size_class)
               : co__stack_take_slow(pool, size_class);
}

/* Give it back; the caller may still be running on it until it switches. */
void co__stack_quarantine(struct co__stack_pool *pool, struct co_task *task);
CO_INLINE void co__stack_warm_push(struct co__stack_pool *pool,
                                   struct co_task *task)
{
    struct co__size_class *class = &pool->classes[task->size_class];

    task->next_free = class->warm;
    class->warm = task;
    class->warm_count++;
}
CO_INLINE void co__stack_give(struct co__stack_pool *pool, struct co_task *task)
{
    task->state = CO__TASK_FREE;
    task->loop = NULL;
    task->flags = CO__FLAG_DEEP;
    if (CO__DEBUG)
        co__stack_quarantine(pool, task);
    else
        co__stack_warm_push(pool, task);
}

/* Called when the loop has nothing to do: give deep pages of warm stacks, and
 * warm stacks that are too many, back; a bounded amount of work. Returns how
 * many stacks were touched. */
unsigned co__stack_pool_idle(struct co__stack_pool *pool);
/* All of it. */
unsigned co__stack_pool_trim(struct co__stack_pool *pool);

/* Each control block that is not FREE, until visit returns nonzero. */
int co__stack_pool_each(struct co__stack_pool *pool,
                        int (*visit)(struct co_task *task, void *arg),
                        void *arg);

/* All but what the loop knows: in_use and spawned_warm. */
void co__stack_pool_stats(const struct co__stack_pool *pool,
                          co_stack_stats *stats);

/*
 * Whose stack an address is on, or NULL; *in_guard tells whether it is in the
 * guard below. Async-signal-safe.
 */
struct co_task *co__stack_owner(const void *address, int *in_guard);

/* Around a fork: no other thread is amid the list of slabs, see fork.c. */
void co__slabs_lock(void);
void co__slabs_unlock(void);

/* Lowest usable address of a task's stack; its highest is the task itself. */
char *co__stack_bottom(const struct co_task *task);

#endif
