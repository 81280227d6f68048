/* SPDX-License-Identifier: MIT */
/*
 * core/timer.h - pending deadlines of one loop, a million of them cheaply.
 * See timer.c for how.
 */
#ifndef CO_CORE_TIMER_H
#define CO_CORE_TIMER_H

#include <coppice/base.h>

/*
 * Lives in what waits; the owner keeps it until it is cancelled or has fired.
 * All-zero bytes are a timer that is not armed.
 */
struct co__timer {
    co_time deadline;        /* valid while armed */
    uint64_t seq;            /* order among equal deadlines */
    struct co__timer *next;  /* slot list; heap: next sibling */
    struct co__timer **link; /* slot list: what points here; NULL in the heap */
    struct co__timer *child; /* heap: first child; slot: a hint */
    struct co__timer *prev;  /* heap: previous sibling, or parent */
    uint32_t where;          /* 0: not armed; 1: heap; else slot number + 2 */
    uint32_t timed;          /* it is a struct co__timed's, not a task's */
};

/* A timer that calls a function in the turn that finds it due. The function
 * neither suspends nor runs code of the user's. */
struct co__timed {
    struct co__timer timer;
    void (*fire)(struct co__timed *timed);
};

/* One cache line. */
#define CO__TIMER_HINTS 7

struct co__timer_slot {
    struct co__timer *first;                  /* the one that came last */
    struct co__timer *hints[CO__TIMER_HINTS]; /* those before it; see timer.c */
};

#define CO__TIMER_LEVELS    5
#define CO__TIMER_SLOT_BITS 10
#define CO__TIMER_SLOTS     (1u << CO__TIMER_SLOT_BITS)

struct co__timers {
    struct co__timer *heap; /* root: all deadlines before `horizon` */
    uint64_t horizon;       /* in ticks; slots hold ticks >= horizon */
    uint64_t seq;
    size_t count;
    co_time earliest; /* not after any in the slots; valid if known */
    int earliest_known;
    uint32_t level_count[CO__TIMER_LEVELS];
    uint64_t occupied[CO__TIMER_LEVELS][CO__TIMER_SLOTS / 64];
    struct co__timer_slot *slots; /* [LEVELS][SLOTS], mapped */
};

/* Returns 0 or -ENOMEM. */
int co__timers_init(struct co__timers *timers, co_time now);
void co__timers_fini(struct co__timers *timers);

static inline int co__timer_armed(const struct co__timer *timer)
{
    return timer->where != 0;
}

/* Arm a timer that is not armed. */
void co__timer_arm(struct co__timers *timers, struct co__timer *timer,
                   co_time deadline);
/* Disarm it; nothing happens if it is not armed. */
void co__timer_cancel(struct co__timers *timers, struct co__timer *timer);

/*
 * Take the earliest timer whose deadline is at or before now, disarmed; NULL if
 * there is none. Deadlines come in order, equal ones first armed, first out.
 */
struct co__timer *co__timers_expire(struct co__timers *timers, co_time now);

/*
 * When to call co__timers_expire next: at the earliest deadline, or, if that is
 * far away, at some time before it; CO_NEVER if no timer is armed.
 */
co_time co__timers_next(struct co__timers *timers);

/* For tests: whether all invariants hold. */
int co__timers_check(const struct co__timers *timers);

#endif
