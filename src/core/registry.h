/* SPDX-License-Identifier: MIT */
/* core/registry.h - the loops of this process; see registry.c. */
#ifndef CO_CORE_REGISTRY_H
#define CO_CORE_REGISTRY_H

#include <coppice/loop.h>

struct co_loop;

void co__registry_add(struct co_loop *loop);
void co__registry_remove(struct co_loop *loop);

/* Whether such a loop exists; if so, whether it is in debug mode. */
int co__registry_knows(const struct co_loop *loop, int *debug);

/* A loop for this thread by the factory, or co_loop_new. *made tells which
 * of them it was: 1: the factory. NULL with errno. */
struct co_loop *co__loop_make(const co_loop_options *options, int *by_factory);

/* Around a fork; and around a walk through all loops, by registry_next. */
void co__registry_lock(void);
void co__registry_unlock(void);
struct co_loop *co__registry_first(void);

#endif
