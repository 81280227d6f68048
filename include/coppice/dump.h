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

/*
 * Write one task in the same form, with a backtrace if it has not ended, the
 * running one too.
 *
 * Suspends: never; the descriptor is written to as it is. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, or a handle known to be consumed), -EBADF,
 * -EPERM (another loop's, or no loop runs here), or the error of write(2).
 */
CO_API int co_task_print_stack(const co_task *task, int fd);

CO_END_DECLS

#endif
