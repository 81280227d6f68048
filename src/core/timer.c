/* SPDX-License-Identifier: MIT */
/*
 * A hierarchical timing wheel (Varghese and Lauck, 1987) with an intrusive
 * pairing heap (Fredman et al., 1986) in front of it.
 *
 * Time is cut into ticks of 2^20 ns, about a millisecond. All timers whose tick
 * lies before `horizon` are in the heap, ordered by (deadline, seq): precise to
 * the nanosecond and first in, first out. The others are in the slots: level 0
 * has 1,024 slots of a tick, level 1 1,024 slots of 1,024 ticks, and so on; a
 * timer's level is that of the highest 10-bit digit in which its tick differs
 * from the horizon, so all of a lower level come before all of a higher one.
 * When time reaches a slot it is emptied: from level 0 into the heap, from the
 * others into lower levels.
 *
 * So arming and cancelling are a few stores wherever the deadline is, and only
 * the timers of one millisecond are ever ordered among each other. Nothing is
 * allocated after init. Not chosen: one heap over all (each of its moves
 * touches a cold timer; at 100,000 timers that is most of the cost), and a
 * wheel alone (its order is that of its ticks).
 *
 * To go along a slot's list is to wait for each timer that is not in the
 * caches. So each knows the one that comes CO__TIMER_HINTS + 1 later, which is
 * prefetched when it is met (jump pointers: Luk and Mowry, 1996). These are
 * hints: a timer that was taken out of the list, and may be gone, is not taken
 * out of them, and they are never looked at.
 */
#include "core/timer.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/compiler.h"

#include <errno.h>
#include <string.h>

#define TICK_SHIFT 20
#define SLOT_MASK  (CO__TIMER_SLOTS - 1)
#define SLOT_BYTES                                                             \
    (sizeof(struct co__timer_slot) * CO__TIMER_LEVELS * CO__TIMER_SLOTS)

#define SCAN_MAX 32 /* timers of a slot that are looked at for the earliest */

#define IN_HEAP    1u
#define FIRST_SLOT 2u

static uint64_t tick_of(co_time deadline)
{
    return deadline < 0 ? 0 : (uint64_t)deadline >> TICK_SHIFT;
}

int co__timers_init(struct co__timers *timers, co_time now)
{
    *timers = (struct co__timers){.horizon = tick_of(now)};
    timers->slots = co__map(SLOT_BYTES);
    return timers->slots ? 0 : -ENOMEM;
}

void co__timers_fini(struct co__timers *timers)
{
    co__unmap(timers->slots, SLOT_BYTES);
    timers->slots = NULL;
}

/* ---- the heap ------------------------------------------------------------ */

static int before(const struct co__timer *a, const struct co__timer *b)
{
    return a->deadline < b->deadline ||
           (a->deadline == b->deadline && a->seq < b->seq);
}

/* Join two heaps; the later root becomes the first child of the earlier. */
static struct co__timer *meld(struct co__timer *a, struct co__timer *b)
{
    struct co__timer *t;

    if (!a)
        return b;
    if (!b)
        return a;
    if (before(b, a)) {
        t = a;
        a = b;
        b = t;
    }
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* Join a list of siblings into one heap, in two passes. */
static struct co__timer *meld_siblings(struct co__timer *first)
{
    struct co__timer *pairs = NULL, *root = NULL;

    while (first) {
        struct co__timer *a = first, *b = a->next;

        first = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct co__timer *next = pairs->next;

        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

static void heap_add(struct co__timers *timers, struct co__timer *timer)
{
    timer->where = IN_HEAP;
    timer->next = timer->prev = timer->child = NULL;
    timers->heap = meld(timers->heap, timer);
}

static void heap_remove(struct co__timers *timers, struct co__timer *timer)
{
    struct co__timer *rest = meld_siblings(timer->child);

    if (timers->heap == timer) {
        timers->heap = rest;
        if (rest)
            rest->prev = NULL;
        return;
    }
    if (timer->prev->child == timer)
        timer->prev->child = timer->next;
    else
        timer->prev->next = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
    if (rest) {
        rest->prev = NULL;
        timers->heap = meld(timers->heap, rest);
    }
}

/* ---- the slots ----------------------------------------------------------- */

static void slot_add(struct co__timers *timers, struct co__timer *timer,
                     uint64_t tick)
{
    uint64_t differs = tick ^ timers->horizon;
    struct co__timer_slot *list;
    unsigned level = 0, slot;
    uint32_t at;

    if (differs >> CO__TIMER_SLOT_BITS)
        level =
            (63u - (unsigned)__builtin_clzll(differs)) / CO__TIMER_SLOT_BITS;
    slot = (unsigned)(tick >> (level * CO__TIMER_SLOT_BITS)) & SLOT_MASK;
    at = level * CO__TIMER_SLOTS + slot;
    list = &timers->slots[at];
    timer->where = at + FIRST_SLOT;
    timer->next = list->first;
    timer->link = &list->first;
    timer->child = list->hints[CO__TIMER_HINTS - 1];
    for (int i = CO__TIMER_HINTS - 1; i > 0; i--)
        list->hints[i] = list->hints[i - 1];
    list->hints[0] = list->first;
    list->first = timer;
    if (timer->next)
        timer->next->link = &timer->next;
    else
        timers->occupied[level][slot / 64] |= 1ull << (slot % 64);
    timers->level_count[level]++;
}

static void slot_remove(struct co__timers *timers, struct co__timer *timer)
{
    uint32_t at = timer->where - FIRST_SLOT;
    unsigned level = at / CO__TIMER_SLOTS, slot = at & SLOT_MASK;

    *timer->link = timer->next;
    if (timer->next)
        timer->next->link = timer->link;
    else if (!timers->slots[at].first)
        timers->occupied[level][slot / 64] &= ~(1ull << (slot % 64));
    timers->level_count[level]--;
}

static void place(struct co__timers *timers, struct co__timer *timer)
{
    uint64_t tick = tick_of(timer->deadline);

    if (tick < timers->horizon)
        heap_add(timers, timer);
    else
        slot_add(timers, timer, tick);
}

/* The first occupied slot of the lowest occupied level; 0 if there is none. */
static int first_slot(const struct co__timers *timers, unsigned *level,
                      unsigned *slot)
{
    for (unsigned l = 0; l < CO__TIMER_LEVELS; l++) {
        if (!timers->level_count[l])
            continue;
        for (unsigned word = 0; word < CO__TIMER_SLOTS / 64; word++)
            if (timers->occupied[l][word]) {
                *level = l;
                *slot = word * 64 +
                        (unsigned)__builtin_ctzll(timers->occupied[l][word]);
                return 1;
            }
    }
    return 0;
}

/* The first tick of a slot at or after the horizon. */
static uint64_t slot_tick(const struct co__timers *timers, unsigned level,
                          unsigned slot)
{
    unsigned shift = level * CO__TIMER_SLOT_BITS;
    unsigned above = shift + CO__TIMER_SLOT_BITS;
    uint64_t high = above < 64 ? timers->horizon >> above << above : 0;

    return high | (uint64_t)slot << shift;
}

/* What will be woken begins two lines before its timer. */
static void fetch(const struct co__timer *timer)
{
    if (!timer)
        return;
    __builtin_prefetch(timer);
    __builtin_prefetch((void *)((uintptr_t)timer - 2 * CO_CACHE_LINE));
}

/* Empty a slot: its timers find their places relative to the horizon. */
static void spill(struct co__timers *timers, unsigned level, unsigned slot)
{
    struct co__timer_slot *from =
        &timers->slots[level * CO__TIMER_SLOTS + slot];
    struct co__timer *list = from->first, *next;

    if (!list)
        return;
    fetch(list);
    for (size_t i = 0; i < CO__TIMER_HINTS; i++)
        fetch(from->hints[i]);
    memset(from, 0, sizeof(*from));
    timers->occupied[level][slot / 64] &= ~(1ull << (slot % 64));
    timers->earliest_known = 0;
    for (; list; list = next) {
        next = list->next;
        fetch(list->child);
        timers->level_count[level]--;
        place(timers, list);
    }
}

/*
 * Move the horizon on, towards but not past the end of `tick`, and empty one
 * slot on the way. One at a time: a loop that has fallen behind then still
 * orders the timers of one slot among each other, not of all that are late.
 */
static void advance(struct co__timers *timers, uint64_t tick)
{
    unsigned level, slot;
    uint64_t start;

    if (first_slot(timers, &level, &slot) &&
        (start = slot_tick(timers, level, slot)) <= tick) {
        /* Past the slot at level 0; above, at its start: what is in it finds
         * its place in a lower level. */
        timers->horizon = level ? start : start + 1;
        spill(timers, level, slot);
    } else {
        timers->horizon = tick + 1;
        timers->earliest_known = 0; /* it may have named an emptied slot */
    }
    /* Slots that the horizon has just entered belong into lower levels. */
    for (level = 1; level < CO__TIMER_LEVELS; level++)
        spill(timers, level,
              (unsigned)(timers->horizon >> (level * CO__TIMER_SLOT_BITS)) &
                  SLOT_MASK);
}

/* ---- the interface ------------------------------------------------------- */

void co__timer_arm(struct co__timers *timers, struct co__timer *timer,
                   co_time deadline)
{
    CO_ASSERT(!timer->where);
    timer->deadline = deadline;
    timer->seq = timers->seq++;
    timers->count++;
    place(timers, timer);
    /* Of the slots alone: what is in the heap comes before them anyway, and
     * would be missed there when it has fired. */
    if (timer->where != IN_HEAP && timers->earliest_known &&
        deadline < timers->earliest)
        timers->earliest = deadline;
}

void co__timer_cancel(struct co__timers *timers, struct co__timer *timer)
{
    if (!timer->where)
        return;
    if (timer->where == IN_HEAP) {
        heap_remove(timers, timer);
    } else {
        slot_remove(timers, timer);
        if (timer->deadline <= timers->earliest)
            timers->earliest_known = 0;
    }
    timer->where = 0;
    timers->count--;
}

struct co__timer *co__timers_expire(struct co__timers *timers, co_time now)
{
    struct co__timer *timer;

    if (!timers->count)
        return NULL;
    while (!(timer = timers->heap) || timer->deadline > now) {
        if (tick_of(now) < timers->horizon)
            return NULL;
        advance(timers, tick_of(now));
    }
    heap_remove(timers, timer);
    timer->where = 0;
    timers->count--;
    return timer;
}

/* The least deadline in a slot of level 0, or if that is not quickly found, or
 * the slot is of a higher level, the time at which it begins. */
static co_time slot_earliest(const struct co__timers *timers, unsigned level,
                             unsigned slot)
{
    const struct co__timer *t =
        timers->slots[level * CO__TIMER_SLOTS + slot].first;
    co_time earliest = CO_NEVER;
    unsigned seen = 0;

    for (; t && !level && seen < SCAN_MAX; t = t->next, seen++) {
        __builtin_prefetch(t->child);
        if (t->deadline < earliest)
            earliest = t->deadline;
    }
    if (t)
        return (co_time)(slot_tick(timers, level, slot) << TICK_SHIFT);
    return earliest;
}

co_time co__timers_next(struct co__timers *timers)
{
    unsigned level, slot;

    if (timers->heap)
        return timers->heap->deadline;
    if (!timers->count)
        return CO_NEVER;
    if (!timers->earliest_known) {
        if (!first_slot(timers, &level, &slot))
            return CO_NEVER;
        timers->earliest = slot_earliest(timers, level, slot);
        timers->earliest_known = 1;
    }
    return timers->earliest;
}

/* ---- for tests ----------------------------------------------------------- */

static size_t check_heap(const struct co__timer *root, int *good)
{
    size_t count = 1;

    for (const struct co__timer *c = root->child; c; c = c->next) {
        if (before(c, root) || c->where != IN_HEAP)
            *good = 0;
        count += check_heap(c, good);
    }
    return count;
}

/* Whether a timer of a slot is where it belongs. */
static int well_placed(const struct co__timers *timers,
                       const struct co__timer *timer, uint32_t at)
{
    unsigned shift = at / CO__TIMER_SLOTS * CO__TIMER_SLOT_BITS;
    uint64_t tick = tick_of(timer->deadline);
    uint64_t differs = tick ^ timers->horizon;

    if (timer->where != at + FIRST_SLOT || *timer->link != timer)
        return 0;
    if (timers->earliest_known && timer->deadline < timers->earliest)
        return 0;
    if (tick < timers->horizon || ((tick >> shift) ^ at) & SLOT_MASK)
        return 0;
    return !(differs >> shift >> CO__TIMER_SLOT_BITS) &&
           (!shift || differs >> shift);
}

int co__timers_check(const struct co__timers *timers)
{
    uint32_t in_level[CO__TIMER_LEVELS] = {0};
    size_t count = 0;
    int good = 1;

    if (timers->heap)
        count = check_heap(timers->heap, &good);
    for (unsigned at = 0; at < CO__TIMER_LEVELS * CO__TIMER_SLOTS; at++) {
        unsigned level = at / CO__TIMER_SLOTS, slot = at & SLOT_MASK;
        int occupied = timers->occupied[level][slot / 64] >> (slot % 64) & 1;

        if (occupied != !!timers->slots[at].first)
            good = 0;
        for (const struct co__timer *t = timers->slots[at].first; t;
             t = t->next) {
            if (!well_placed(timers, t, at))
                good = 0;
            in_level[level]++;
            count++;
        }
    }
    for (unsigned level = 0; level < CO__TIMER_LEVELS; level++)
        if (in_level[level] != timers->level_count[level])
            good = 0;
    return good && count == timers->count;
}
