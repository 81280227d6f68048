/* SPDX-License-Identifier: MIT */
/*
 * The lot has buckets of addresses, each with a lock and a line of waiters,
 * first come, first served. Who wakes does so often and for nobody (each
 * unlock of a mutex): a count of all waiters spares it the bucket. It is
 * raised before `worth` looks, and read after what `worth` looks at has
 * changed, so one of the two sees the other.
 *
 * The locks spin: what lets go of a pthread_mutex_t may be what comes here.
 */
#include "sync/lot.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "core/remote.h"
#include "core/sched.h"

#include <sched.h>

#define BUCKET_BITS 6
#define BUCKETS     (1u << BUCKET_BITS)

#define LOCK_TRIES 100

struct waiter {
    struct co__remote remote;
    const void *address;
};

static struct bucket {
    atomic_int locked;
    struct co__remotes line;
} buckets[BUCKETS];

static atomic_uint waiting;

static struct bucket *bucket_of(const void *address)
{
    uint64_t hash = (uint64_t)(uintptr_t)address * 0x9E3779B97F4A7C15u;

    return &buckets[hash >> (64 - BUCKET_BITS)];
}

static void lock(struct bucket *bucket)
{
    int tries = 0;

    while (atomic_exchange_explicit(&bucket->locked, 1, memory_order_acquire))
        if (++tries < LOCK_TRIES)
            co__relax();
        else
            sched_yield();
}

static void unlock(struct bucket *bucket)
{
    atomic_store_explicit(&bucket->locked, 0, memory_order_release);
}

/* Posted meanwhile: it was woken, whatever its limits say. */
static int leave(struct bucket *bucket, struct waiter *w, int r)
{
    int linked;

    lock(bucket);
    linked = co__remotes_remove(&bucket->line, &w->remote);
    unlock(bucket);
    if (linked)
        return r;
    co__remote_settle(&w->remote);
    return 0;
}

int co__lot_wait(const void *address, int (*worth)(void *arg),
                 int (*before)(void *arg), void *arg)
{
    struct bucket *bucket = bucket_of(address);
    struct waiter w = {.address = address};
    int r;

    co__remote_begin(&w.remote);
    lock(bucket);
    atomic_fetch_add(&waiting, 1);
    r = worth ? worth(arg) : 0;
    if (r == 0)
        co__remotes_push(&bucket->line, &w.remote);
    unlock(bucket);
    if (r == 0) {
        r = before ? before(arg) : 0;
        if (r == 0)
            r = co__remote_wait(&w.remote, CO__WAIT_LOT);
        if (r != 0)
            r = leave(bucket, &w, r);
    }
    atomic_fetch_sub(&waiting, 1);
    return r;
}

unsigned co__lot_wake(const void *address, unsigned most)
{
    struct co__remotes woken = {NULL, NULL};
    struct co__remote *remote, *next;
    struct bucket *bucket;
    unsigned count = 0;

    co__fence_after_rmw();
    if (CO_LIKELY(atomic_load_explicit(&waiting, memory_order_relaxed) == 0))
        return 0;
    bucket = bucket_of(address);
    lock(bucket);
    for (remote = bucket->line.head; remote && count < most; remote = next) {
        next = remote->next;
        if (CO_CONTAINER_OF(remote, struct waiter, remote)->address != address)
            continue;
        co__remotes_remove(&bucket->line, remote);
        co__remotes_push(&woken, remote);
        remote->linked = 0;
        count++;
    }
    unlock(bucket);
    for (remote = woken.head; remote; remote = next) {
        next = remote->next; /* it may be gone when it has arrived */
        co__remote_post(remote);
    }
    return count;
}
