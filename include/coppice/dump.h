/* SPDX-License-Identifier: MIT */
/* coppice/dump.h - looking at a loop's tasks while they live. */
#ifndef COPPICE_DUMP_H
#define COPPICE_DUMP_H

#include <coppice/base.h>
#include <coppice/loop.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

/*
 * Call visit(task, arg) for every task of a loop that has not ended, or, for a
 * NULL loop, of the running one. The visitor may cancel tasks but neither
 * spawns nor suspends; a result other than 0 ends the walk.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, what the visitor returned, or -EINVAL (visit is NULL), -EPERM (no
 * loop given and none runs).
 */
CO_API int co_loop_each_task(co_loop *loop,
                             int (*visit)(co_task *task, void *arg), void *arg);

/*
 * Write the running loop's tasks to a descriptor as text: the tree by who
 * spawned whom, and for each its name, state, what it waits for and for how
 * long, the place that spawned it, and for parked tasks a backtrace.
 *
 * Suspends: never; the descriptor is written to as it is. Thread-safe: no.
 * Returns 0, or -EBADF, -EPERM (no loop runs on this thread), or the error of
 * write(2).
 */
CO_API int co_dump_tasks(int fd);

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
