/* SPDX-License-Identifier: MIT */
/*
 * A lock that a thread has is known to that thread alone, so each has a table
 * of its own: few locks at a time know their owner and are held.
 */
#include "hook/owner.h"

#include <coppice/task.h>

#include "base/compiler.h"

#include <stdint.h>

#define OWNED_MAX 64

struct owned {
    const void *lock;
    const co_task *task; /* NULL: the thread's own code */
    unsigned depth;
};

/* By the slower way to a thread's variables: for the faster one there is little
 * room in a process that opens this library late. Only locks that know their
 * owner come so far. */
#define LATE_TLS _Thread_local __attribute__((tls_model("global-dynamic")))

static LATE_TLS struct owned table[OWNED_MAX];
static LATE_TLS unsigned count;

static struct owned *find(const void *lock)
{
    for (unsigned i = 0; i < count; i++)
        if (table[i].lock == lock)
            return &table[i];
    return NULL;
}

int co__owner_is_other(const void *lock)
{
    struct owned *owned = find(lock);

    return owned && owned->task != co_self();
}

int co__owner_is_self(const void *lock)
{
    struct owned *owned = find(lock);

    return owned && owned->task == co_self();
}

/* With no room left it is the thread's, as it would be without us. */
void co__owner_locked(const void *lock)
{
    struct owned *owned;

    owned = find(lock);
    if (owned) {
        owned->depth++;
    } else if (count < OWNED_MAX) {
        table[count].lock = lock;
        table[count].task = co_self();
        table[count].depth = 1;
        count++;
    }
}

int co__owner_unlocking(const void *lock)
{
    struct owned *owned;

    if (!count)
        return 1;
    owned = find(lock);
    if (!owned)
        return 1;
    if (--owned->depth > 0)
        return 0;
    *owned = table[--count];
    return 1;
}
