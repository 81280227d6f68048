/* SPDX-License-Identifier: MIT */
/* coppice/stack.h - what tasks' stacks cost. */
#ifndef COPPICE_STACK_H
#define COPPICE_STACK_H

#include <coppice/base.h>
#include <coppice/loop.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

/*
 * How many bytes of a task's stack were ever in use since its stack was last
 * new, found by looking for the deepest page and word that were touched; its
 * control block counts. And the size of the stack as rounded.
 *
 * Suspends: never. Thread-safe: no. Returns 0 if task is NULL.
 */
CO_API size_t co_task_stack_used(const co_task *task);
CO_API size_t co_task_stack_size(const co_task *task);

/* What a loop's stacks cost; counters are since the loop was made. */
typedef struct co_stack_stats {
    size_t size;           /* sizeof(co_stack_stats), set by the caller */
    size_t in_use;         /* stacks of tasks that have not been given back */
    size_t warm;           /* stacks that wait for reuse */
    size_t slab_count;     /* mappings */
    size_t slab_bytes;     /* address space */
    uint64_t spawned_warm; /* spawns served by a warm stack */
    uint64_t spawned_cold; /* spawns that took a stack never used before */
    uint64_t trimmed;      /* stacks whose deep pages went back */
    int guard_install;     /* guards by MADV_GUARD_INSTALL, else mprotect */
} co_stack_stats;

/* Fill *stats. Thread-safe: no. Returns 0, or -EINVAL. */
CO_API int co_loop_stack_stats(const co_loop *loop, co_stack_stats *stats);

/*
 * Give the memory of warm stacks back to the system. A loop does this by itself
 * for deep pages when it is idle. Thread-safe: no. Returns how many stacks were
 * trimmed, or -EINVAL.
 */
CO_API int co_loop_trim(co_loop *loop);

CO_END_DECLS

#endif
