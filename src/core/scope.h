/* SPDX-License-Identifier: MIT */
/*
 * core/scope.h - the limits that a task, or a thread outside tasks, is under.
 *
 * One number sums them up: `due` is the point in time from which calls fail. It
 * is the least deadline of the scopes up to the nearest shield, and the distant
 * past while a cancel is pending and no shield is up. So what a call checks on
 * entry is one comparison with the loop's time.
 */
#ifndef CO_CORE_SCOPE_H
#define CO_CORE_SCOPE_H

#include <coppice/scope.h>

struct co_task;

#define CO__DUE_CANCELLED INT64_MIN

/* A scope's flags from here on: the number of a look at the clock, or 0. */
#define CO__SCOPE_LOOK 4u

struct co__chain {
    co_time due;          /* derived from the rest by co__chain_update */
    struct co_scope *top; /* innermost scope */
    uint32_t cancels;     /* open co_cancel requests */
    uint16_t shields;     /* scopes of the chain that shield */
    uint16_t of_thread;   /* it is a thread's, else within a struct co_task */
};

#define CO__CHAIN_INIT                                                         \
    {                                                                          \
        .due = CO_NEVER, .of_thread = 1                                        \
    }

/* Bring `due` up to date after cancels, shields or top changed. */
void co__chain_update(struct co__chain *chain);

/* Why calls fail at `now`: -ECANCELED, or -ETIMEDOUT with the scopes that ran
 * out marked; 0 if they do not. */
int co__chain_error(struct co__chain *chain, co_time now);

/* Give an entered scope of any task another deadline, as if no call had failed
 * for it yet. */
void co__scope_move(struct co_scope *scope, co_time deadline);

/* A parked task waits no longer than its limits say: call this after `due` of a
 * task other than the running one may have changed. In sched.c. */
void co__limits_changed(struct co_task *task);

/* The chain of the running task, else of this thread. */
struct co__chain *co__chain_current(void);

#endif
