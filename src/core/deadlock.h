/* SPDX-License-Identifier: MIT */
/* core/deadlock.h - when nobody can go on any more; see deadlock.c. */
#ifndef CO_CORE_DEADLOCK_H
#define CO_CORE_DEADLOCK_H

struct co_loop;

/*
 * In debug mode, when nothing is ready: whether nothing ever will be. Then it
 * has been reported, and the run is to be left (loop->deadlock).
 */
int co__deadlocked(struct co_loop *loop);

#endif
