/* SPDX-License-Identifier: MIT */
/* core/current.h - the loop of a thread; for libcoppice-hook, too. */
#ifndef CO_CORE_CURRENT_H
#define CO_CORE_CURRENT_H

#include <coppice/base.h>

#include "base/compiler.h"

struct co_loop;
struct co_task;

/* The loop that runs on this thread, or NULL. */
extern CO_API CO_TLS struct co_loop *co__loop;

/* The same for what must not ask whether there is one: outside runs it is one
 * whose time is past every limit, and whose task is co__outside. */
extern CO_TLS struct co_loop *co__loop_or_none;

/* Stands for the thread outside tasks, which may hold locks too. */
extern struct co_task co__outside;

/* Set both for this thread; NULL: no loop runs. */
void co__loop_set(struct co_loop *loop);

#endif
