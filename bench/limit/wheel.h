/* SPDX-License-Identifier: MIT */
/*
 * bench/limit/wheel.h - timers of the limit programs: a wheel of 4,096 slots of
 * a millisecond, which reads the clock once a turn. One program includes it and
 * defines wheel_expired().
 */
#ifndef BENCH_WHEEL_H
#define BENCH_WHEEL_H

#include "limit.h"

#define WHEEL_SLOTS   4096
#define WHEEL_TICK_NS 1000000

static struct limit_task wheel[WHEEL_SLOTS];
static uint64_t wheel_tick;             /* the next one to look at */
static int64_t wheel_epoch, wheel_time; /* of tick 0; as of this turn */

/* A task whose time has come; it is off the wheel. */
static void wheel_expired(struct limit_task *task);

static void wheel_init(void)
{
    for (int i = 0; i < WHEEL_SLOTS; i++)
        wheel[i].timer_next = wheel[i].timer_prev = &wheel[i];
    wheel_epoch = wheel_time = bench_now_ns();
}

static inline uint64_t wheel_now(void)
{
    return (uint64_t)(wheel_time - wheel_epoch) / WHEEL_TICK_NS;
}

BENCH_UNUSED static inline int64_t wheel_ns(uint64_t tick)
{
    return wheel_epoch + (int64_t)tick * WHEEL_TICK_NS;
}

BENCH_UNUSED static inline bool wheel_empty(uint64_t tick)
{
    struct limit_task *slot = &wheel[tick % WHEEL_SLOTS];

    return slot->timer_next == slot;
}

static inline void wheel_add(struct limit_task *task, uint64_t due)
{
    struct limit_task *slot = &wheel[due % WHEEL_SLOTS];

    task->due = due;
    task->timer_prev = slot->timer_prev;
    task->timer_next = slot;
    slot->timer_prev->timer_next = task;
    slot->timer_prev = task;
}

static void wheel_turn(void)
{
    uint64_t now;

    wheel_time = bench_now_ns();
    now = wheel_now();
    for (; wheel_tick <= now; wheel_tick++) {
        struct limit_task *slot = &wheel[wheel_tick % WHEEL_SLOTS];
        struct limit_task *task = slot->timer_next, *next;

        for (; task != slot; task = next) {
            next = task->timer_next;
            if (task->due > wheel_tick)
                continue;
            task->timer_prev->timer_next = next;
            next->timer_prev = task->timer_prev;
            wheel_expired(task);
        }
    }
}

#endif
