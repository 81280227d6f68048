/* SPDX-License-Identifier: MIT */
/* core/deadlock.h - when nobody can go on any more; see deadlock.c. */
#ifndef CO_CORE_DEADLOCK_H
#define CO_CORE_DEADLOCK_H

struct co_loop;

/* In debug mode, when nothing is ready: whether nothing ever will be. Then the
 * run is to be left (loop->deadlock). */
int co__deadlocked(struct co_loop *loop);

/* Say so, in the root context. If the tasks have been cancelled already there
 * is no way out, and the program stops. */
void co__deadlock_report(struct co_loop *loop);

#endif
