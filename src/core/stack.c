/* SPDX-License-Identifier: MIT */
/*
 * Stacks are cut from slabs, large mappings of equal strides:
 *
 *     slab  | guard | stack 0 ... [task] colour | guard | stack 1 ...
 *
 * The control block lies at the top, so a parked task that has not gone deep
 * keeps one page. Successive stacks are coloured: the block is moved down by a
 * few cache lines, so that the hot lines of neighbours do not compete for the
 * same sets of the first cache. And a stride is a page more than the power of
 * two that was asked for, or they would all compete for a few sets of the
 * larger ones: a yield among 1,000 tasks took 12.3 ns, and takes 9.8.
 *
 * A stack is
 *   warm  given back, on the pool's LIFO, its top page as it was left;
 *   cold  given back and trimmed: its pages belong to the system again, its
 *         index is on the slab's `cold` stack; the guard stays;
 *   new   never used: index >= slab->used.
 * and is taken in this order.
 *
 * How a guard is made, and pages are given back, is the system's matter (vm.h).
 * Not chosen: a mapping per stack (two system calls and a VMA each), and guards
 * shared by neighbours (an overflow would be blamed on the wrong task).
 */
#include "core/stack.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/lock.h"
#include "base/sanitize.h"
#include "core/vm.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define CLASS_SHIFT_MIN 14 /* 16 KiB */
#define SLAB_STACKS_MIN 64
#define SLAB_BYTES_MAX  ((size_t)1 << 30)
#define COLOURS         16
#define WARM_KEPT       256 /* stacks that an idle loop leaves warm */
#define IDLE_WORK       64  /* stacks that one idle turn trims */
#define KEPT_BYTES_MAX  ((size_t)1 << 30) /* a larger pool dies with its loop */

/* Every slab descriptor of the process. Grows, never shrinks. */
static _Atomic(struct co__slab *) all_slabs;
static pthread_mutex_t slabs_lock = PTHREAD_MUTEX_INITIALIZER;

static int guard_install; /* set once by probe() */
static size_t page_bytes;
static pthread_once_t probe_once = PTHREAD_ONCE_INIT;
static pthread_key_t kept_key;
static int kept_key_valid;

static void kept_pool_free(void *pool);

static void probe(void)
{
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    guard_install = co__vm_probe();
    kept_key_valid = pthread_key_create(&kept_key, kept_pool_free) == 0;
}

int co__stack_class(size_t bytes)
{
    unsigned size_class = 0;

    if (bytes < CO_STACK_SIZE_MIN || bytes > CO_STACK_SIZE_MAX)
        return -EINVAL;
    while (co__stack_class_bytes(size_class) < bytes ||
           co__stack_class_bytes(size_class) < 2 * CO_GUARD_BYTES)
        size_class++;
    return (int)size_class;
}

size_t co__stack_class_bytes(unsigned size_class)
{
    return (size_t)1 << (CLASS_SHIFT_MIN + size_class);
}

/* ---- slabs -------------------------------------------------------------- */

void co__slabs_lock(void)
{
    co__lock(&slabs_lock);
}

void co__slabs_unlock(void)
{
    pthread_mutex_unlock(&slabs_lock);
}

static struct co__slab *descriptor_take(void)
{
    struct co__slab *slab;

    co__lock(&slabs_lock);
    for (slab = atomic_load(&all_slabs); slab; slab = slab->next_any)
        if (!slab->taken)
            break;
    if (!slab && (slab = co__alloc_zero(sizeof(*slab)))) {
        slab->next_any = atomic_load(&all_slabs);
        /* Pairs with the load in co__stack_owner: links before the head. */
        atomic_store(&all_slabs, slab);
    }
    if (slab)
        slab->taken = 1;
    pthread_mutex_unlock(&slabs_lock);
    return slab;
}

static void descriptor_give(struct co__slab *slab)
{
    co__lock(&slabs_lock);
    __atomic_store_n(&slab->base, NULL, __ATOMIC_RELEASE);
    slab->used = 0;
    slab->cold = NULL;
    slab->cold_count = 0;
    slab->pool = NULL;
    slab->taken = 0;
    pthread_mutex_unlock(&slabs_lock);
}

static uint32_t slab_stacks(const struct co__size_class *class, size_t stride)
{
    size_t count =
        class->slabs ? (size_t) class->slabs->count * 2 : SLAB_STACKS_MIN;

    if (count * stride > SLAB_BYTES_MAX)
        count = SLAB_BYTES_MAX / stride;
    return count ? (uint32_t)count : 1;
}

static struct co__slab *slab_new(struct co__stack_pool *pool,
                                 unsigned size_class)
{
    struct co__size_class *class = &pool->classes[size_class];
    size_t stride = co__stack_class_bytes(size_class) + page_bytes;
    uint32_t count = slab_stacks(class, stride);
    struct co__slab *slab = descriptor_take();
    char *base;

    if (!slab)
        return NULL;
    while (!(base = co__map(count * stride)) && count > 1)
        count /= 2; /* little address space left: take what there is */
    if (!base) {
        descriptor_give(slab);
        return NULL;
    }
    co__vm_stacks(base, count * stride);
    slab->lsan_root = co__slab_root(base, count * stride);
    slab->stride = stride;
    slab->pool = pool;
    slab->count = count;
    /* Pairs with the load in co__stack_owner, on any thread. */
    __atomic_store_n(&slab->base, base, __ATOMIC_RELEASE);
    slab->next = class->slabs;
    class->slabs = slab;
    pool->slab_count++;
    pool->slab_bytes += count * stride;
    return slab;
}

static char *slot_base(const struct co__slab *slab, uint32_t index)
{
    return slab->base + (size_t)index * slab->stride;
}

static struct co_task *slot_task(const struct co__slab *slab, uint32_t index)
{
    size_t colour = (size_t)(index % COLOURS) * CO_CACHE_LINE;
    uintptr_t top = (uintptr_t)slot_base(slab, index) + slab->stride - colour;

    return (struct co_task *)((top - sizeof(struct co_task)) &
                              ~(uintptr_t)(CO_CACHE_LINE - 1));
}

static uint32_t slot_index(const struct co__slab *slab, const void *address)
{
    return (uint32_t)((size_t)((const char *)address - slab->base) /
                      slab->stride);
}

static void slab_free(struct co__slab *slab)
{
    struct co__stack_pool *pool = slab->pool;
    size_t bytes = slab->count * slab->stride;

    if (co__fiber_tracked())
        for (uint32_t i = 0; i < slab->used; i++)
            co__fiber_unmap(&slot_task(slab, i)->fiber);
    if (slab->lsan_root)
        co__slab_unroot(slab->base, bytes);
    co__unmap(slab->cold, slab->count * sizeof(*slab->cold));
    co__unmap(slab->base, bytes);
    pool->slab_count--;
    pool->slab_bytes -= bytes;
    descriptor_give(slab);
}

/* LSan reads its root regions, and crashes on a guard that it cannot see. */
static int install_guard(struct co__slab *slab, char *base)
{
    return co__vm_guard(base, CO_GUARD_BYTES, slab->lsan_root);
}

/* ---- taking and giving back --------------------------------------------- */

/* Make a control block of zeroed memory usable. */
static struct co_task *dress(struct co__slab *slab, uint32_t index,
                             unsigned size_class)
{
    struct co_task *task = slot_task(slab, index);
    char *bottom = slot_base(slab, index) + CO_GUARD_BYTES;

    task->slab = slab;
    task->size_class = (uint8_t)size_class;
    if (co__fiber_tracked())
        co__fiber_map(&task->fiber, bottom, (size_t)((char *)task - bottom));
    return task;
}

static struct co_task *take_cold(struct co__stack_pool *pool,
                                 unsigned size_class)
{
    struct co__size_class *class = &pool->classes[size_class];
    struct co__slab *slab;

    if (!class->cold)
        class->cold = class->slabs;
    for (; (slab = class->cold); class->cold = slab->next)
        if (slab->cold_count)
            return dress(slab, slab->cold[--slab->cold_count], size_class);
    return NULL;
}

static struct co_task *take_new(struct co__stack_pool *pool,
                                unsigned size_class)
{
    struct co__slab *slab = pool->classes[size_class].slabs;

    if (!slab || slab->used == slab->count)
        slab = slab_new(pool, size_class);
    if (!slab || install_guard(slab, slot_base(slab, slab->used)) < 0) {
        errno = ENOMEM;
        return NULL;
    }
    return dress(slab, slab->used++, size_class);
}

static CO_NOINLINE struct co_task *take_slowly(struct co__stack_pool *pool,
                                               unsigned size_class)
{
    struct co_task *task = NULL;

    if (pool->any_cold)
        task = take_cold(pool, size_class);
    if (!task)
        task = take_new(pool, size_class);
    if (task)
        pool->taken_cold++;
    return task;
}

struct co_task *co__stack_take_slow(struct co__stack_pool *pool,
                                    unsigned size_class)
{
    struct co__size_class *class = &pool->classes[size_class];
    struct co_task *task = class->warm;

    if (task) {
        class->warm = task->next_free;
        class->warm_count--;
    } else {
        task = take_slowly(pool, size_class);
        if (!task)
            return NULL;
    }
    CO_ASSERT(task->state == CO__TASK_FREE);
    if (CO__SANITIZED)
        co__fiber_start(&task->fiber);
    task->flags = CO__FLAG_NEW;
    return task;
}

/* Debug builds let handles lie before they are reused. */
void co__stack_quarantine(struct co__stack_pool *pool, struct co_task *task)
{
    struct co_task **place =
        &pool->quarantine[pool->quarantined++ % CO__QUARANTINE];
    struct co_task *oldest = *place;

    *place = task;
    if (oldest)
        co__stack_warm_push(pool, oldest);
}

/* ---- giving memory back to the system ------------------------------------ */

char *co__stack_bottom(const struct co_task *task)
{
    const struct co__slab *slab = task->slab;

    return slot_base(slab, slot_index(slab, task)) + CO_GUARD_BYTES;
}

/* The pages below the one that the control block is in. */
static void drop_deep_pages(struct co_task *task)
{
    char *bottom = co__stack_bottom(task);
    uintptr_t top = (uintptr_t)task & ~(uintptr_t)(page_bytes - 1);

    if (top > (uintptr_t)bottom)
        co__vm_discard(bottom, top - (uintptr_t)bottom);
    task->flags &= (uint16_t)~CO__FLAG_DEEP;
}

/* Make a warm stack, just taken off the list, cold. Returns 0, or -ENOMEM with
 * nothing done. */
static int make_cold(struct co__stack_pool *pool, struct co_task *task)
{
    struct co__slab *slab = task->slab;
    uint32_t index = slot_index(slab, task);
    char *bottom = co__stack_bottom(task);

    if (!slab->cold) {
        slab->cold = co__map(slab->count * sizeof(*slab->cold));
        if (!slab->cold)
            return -ENOMEM;
    }
    if (co__fiber_tracked())
        co__fiber_unmap(&task->fiber);
    pool->classes[task->size_class].cold = NULL;
    co__vm_discard(bottom, slab->stride - CO_GUARD_BYTES);
    slab->cold[slab->cold_count++] = index;
    pool->any_cold = 1;
    pool->trimmed++;
    return 0;
}

static unsigned trim(struct co__stack_pool *pool, uint32_t kept, unsigned work)
{
    unsigned done = 0;

    for (unsigned c = 0; c < CO__CLASS_COUNT && done < work; c++) {
        struct co__size_class *class = &pool->classes[c];
        struct co_task *task;

        while (class->warm_count > kept && done < work) {
            task = class->warm;
            class->warm = task->next_free;
            class->warm_count--;
            if (make_cold(pool, task) < 0) {
                co__stack_warm_push(pool, task);
                return done;
            }
            done++;
        }
        for (task = class->warm; task && done < work; task = task->next_free)
            if (task->flags & CO__FLAG_DEEP) {
                drop_deep_pages(task);
                pool->trimmed++;
                done++;
            }
    }
    return done;
}

unsigned co__stack_pool_idle(struct co__stack_pool *pool)
{
    return trim(pool, WARM_KEPT, IDLE_WORK);
}

static void end_quarantine(struct co__stack_pool *pool)
{
    for (unsigned i = 0; i < CO__QUARANTINE; i++) {
        struct co_task *task = pool->quarantine[i];

        pool->quarantine[i] = NULL;
        if (task)
            co__stack_warm_push(pool, task);
    }
}

unsigned co__stack_pool_trim(struct co__stack_pool *pool)
{
    return trim(pool, 0, UINT32_MAX);
}

/* ---- pools --------------------------------------------------------------- */

static void pool_free(struct co__stack_pool *pool)
{
    for (unsigned c = 0; c < CO__CLASS_COUNT; c++) {
        struct co__slab *slab = pool->classes[c].slabs;

        while (slab) {
            struct co__slab *next = slab->next;

            slab_free(slab);
            slab = next;
        }
    }
    co__free(pool);
}

static void kept_pool_free(void *pool)
{
    pool_free(pool);
}

struct co__stack_pool *co__stack_pool_get(void)
{
    struct co__stack_pool *pool;

    co__once(&probe_once, probe);
    pool = kept_key_valid ? pthread_getspecific(kept_key) : NULL;
    if (!pool)
        return co__alloc_zero(sizeof(*pool));
    pthread_setspecific(kept_key, NULL);
    return pool;
}

void co__stack_pool_put(struct co__stack_pool *pool)
{
    end_quarantine(pool);
    if (!kept_key_valid || pthread_getspecific(kept_key) ||
        pool->slab_bytes > KEPT_BYTES_MAX) {
        pool_free(pool);
        return;
    }
    trim(pool, SLAB_STACKS_MIN, UINT32_MAX);
    pool->taken_cold = pool->trimmed = 0;
    if (pthread_setspecific(kept_key, pool) != 0)
        pool_free(pool);
}

int co__stack_pool_each(struct co__stack_pool *pool,
                        int (*visit)(struct co_task *task, void *arg),
                        void *arg)
{
    for (unsigned c = 0; c < CO__CLASS_COUNT; c++)
        for (struct co__slab *s = pool->classes[c].slabs; s; s = s->next)
            for (uint32_t i = 0; i < s->used; i++) {
                struct co_task *task = slot_task(s, i);
                int r;

                if (task->state == CO__TASK_FREE)
                    continue;
                r = visit(task, arg);
                if (r)
                    return r;
            }
    return 0;
}

void co__stack_pool_stats(const struct co__stack_pool *pool,
                          co_stack_stats *stats)
{
    stats->warm = 0;
    for (unsigned c = 0; c < CO__CLASS_COUNT; c++)
        stats->warm += pool->classes[c].warm_count;
    stats->slab_count = pool->slab_count;
    stats->slab_bytes = pool->slab_bytes;
    stats->spawned_cold = pool->taken_cold;
    stats->trimmed = pool->trimmed;
    stats->guard_install = guard_install;
}

struct co_task *co__stack_owner(const void *address, int *in_guard)
{
    const char *p = address;

    for (struct co__slab *s = atomic_load(&all_slabs); s; s = s->next_any) {
        const char *base = __atomic_load_n(&s->base, __ATOMIC_ACQUIRE);
        uint32_t index;

        if (!base || p < base || p >= base + s->count * s->stride)
            continue;
        index = slot_index(s, p);
        if (index >= s->used)
            return NULL;
        *in_guard = p < slot_base(s, index) + CO_GUARD_BYTES;
        return slot_task(s, index);
    }
    return NULL;
}
