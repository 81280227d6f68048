/* SPDX-License-Identifier: MIT */
/* core/seen.h - what the watchdog has seen of a loop; see debug/watchdog.c. */
#ifndef CO_CORE_SEEN_H
#define CO_CORE_SEEN_H

#include <coppice/base.h>

struct co_task;

/* What tells two steps of a loop apart. */
struct co__step {
    struct co_task *task; /* NULL: the loop is in none */
    uint32_t head;
    co_time polled;
};

/* Guarded by the registry's lock; the loop does not know. */
struct co__seen {
    uint64_t round; /* of looks, in which it was seen last; and when: */
    co_time looked;
    struct co__step step; /* that it was in; and since when: */
    co_time since;
    co_time due;       /* how long that may last before the next report */
    int by;            /* what its thread did; -1: not known */
    uint64_t place[3]; /* and in which call; and since when: */
    co_time doing_since;
};

#endif
