/* SPDX-License-Identifier: MIT */
/* coppice/factory.h - which loop a thread has, and who makes loops and tasks
 * where the program does not say. */
#ifndef COPPICE_FACTORY_H
#define COPPICE_FACTORY_H

#include <coppice/base.h>
#include <coppice/loop.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

/*
 * This thread's loop: the one that runs, else the one that co_loop_set has set,
 * else a new one, which is set. The loop is the thread's to free with
 * co_loop_free; then the thread has none again.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the loop, or NULL with errno as co_loop_new or the factory.
 */
CO_API CO_MUST_CHECK co_loop *co_loop_get(void);

/*
 * Say which loop is this thread's while none runs; NULL: none. The loop stays
 * the caller's, and may be freed at any time.
 *
 * Suspends: never. Thread-safe: yes. Returns 0, or -EINVAL (it is no loop).
 */
CO_API int co_loop_set(co_loop *loop);

/*
 * Have the loops of co_run, co_run_with and co_loop_get made by factory(
 * options, arg), in the whole process; NULL brings co_loop_new back, and is
 * what the factory itself calls. options may be NULL. The factory returns a
 * loop that does not run, to be freed by who asked for it, or NULL with errno.
 *
 * Suspends: never. Thread-safe: yes, and so has to be the factory.
 */
typedef co_loop *(*co_loop_factory)(const co_loop_options *options, void *arg);
CO_API void co_loop_set_factory(co_loop_factory factory, void *arg);

/*
 * Have the tasks of co_spawn and co_spawn_with made by the given function, in
 * one loop; NULL: as usual. It gets what the call got (options is NULL for
 * co_spawn) and makes the task with co_spawn_at or co_spawn_with_at, which go
 * the usual way inside of it; so it can set a name, count, wrap fn, or make
 * every task start eagerly. It must not suspend. It returns the task, or NULL
 * with errno.
 *
 * Suspends: never. Thread-safe: no. Returns 0, or -EINVAL (loop is NULL).
 */
typedef co_task *(*co_task_factory)(const char *site,
                                    const co_spawn_options *options,
                                    co_task_fn fn, void *arg, void *data);
CO_API int co_loop_set_task_factory(co_loop *loop, co_task_factory factory,
                                    void *data);

CO_END_DECLS

#endif
