/* SPDX-License-Identifier: MIT */
/*
 * core/hooks.h - what the core asks of the layers above it, which it does not
 * include; each is called for tasks and loops that use the thing alone.
 * Descriptors have a header of their own, fdhook.h.
 */
#ifndef CO_CORE_HOOKS_H
#define CO_CORE_HOOKS_H

struct co_group;
struct co_loop;
struct co_task;

/* Whether a group takes children from here now: 0, -EPERM, -ECANCELED. Make a
 * task that has not begun its child. In sync/group.c. */
int co__group_admits(const struct co_group *group);
void co__group_adopt(struct co_group *group, struct co_task *task);

/* A child of a group has ended, and its result is set; its handle is nobody's
 * any more, and neither is it a child. In sync/group.c. */
void co__group_child_ended(struct co_task *task);

/* A task begins with what its parent, which is ATTACHED, has set, or with what
 * this thread has outside tasks; and ends. The destructors run on the ending
 * task. In sync/local.c. */
void co__locals_inherit(struct co_task *child, const struct co_task *parent);
void co__locals_inherit_thread(struct co_task *child);
void co__locals_release(struct co_task *task);

/* A loop is about to be freed: reap what was killed, and watch none of its
 * processes any more. In io/process.c. */
void co__processes_close(struct co_loop *loop);

/* A loop is about to be freed: nobody's call is made any more, signals are left
 * alone. In event/callback.c. */
void co__event_close(struct co_loop *loop);

/*
 * A task that waits for a generator (CO__WAIT_GENERATOR) was cancelled, or has
 * run out of time: `error` is to interrupt the generator, whose consumer waits
 * on until it has yielded or ended. When a loop ends: let no generator wait for
 * a consumer any more. When it is freed: free them. In sync/generator.c.
 */
void co__gen_interrupt(struct co_task *consumer, int error);
void co__gens_end(struct co_loop *loop);
void co__gens_free(struct co_loop *loop);

/* A loop was made: start the watchdog, if the environment asks for it. In
 * debug/watchdog.c. */
void co__watchdog_begin(void);

/* Write all tasks of a loop to standard error. In debug/dump.c. */
void co__deadlock_dump(struct co_loop *loop);

#endif
