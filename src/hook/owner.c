/* SPDX-License-Identifier: MIT */
/*
 * A mutex that a thread has is known to that thread alone, so each has a table
 * of its own: few mutexes at a time are recursive and held.
 */
#include "hook/owner.h"

#include <coppice/task.h>

#include "base/compiler.h"

#include <stdint.h>

#define OWNED_MAX 64

struct owned {
    const pthread_mutex_t *mutex;
    const co_task *task; /* NULL: the thread's own code */
    unsigned depth;
};

/* By the slower way to a thread's variables: for the faster one there is little
 * room in a process that opens this library late. Only mutexes that know their
 * owner come so far. */
#define LATE_TLS _Thread_local __attribute__((tls_model("global-dynamic")))

static LATE_TLS struct owned table[OWNED_MAX];
static LATE_TLS unsigned count;

static struct owned *find(const pthread_mutex_t *mutex)
{
    for (unsigned i = 0; i < count; i++)
        if (table[i].mutex == mutex)
            return &table[i];
    return NULL;
}

int co__owner_is_other(pthread_mutex_t *mutex)
{
    struct owned *owned = co__owner_known(mutex) ? find(mutex) : NULL;

    return owned && owned->task != co_self();
}

int co__owner_is_self(pthread_mutex_t *mutex)
{
    struct owned *owned = co__owner_known(mutex) ? find(mutex) : NULL;

    return owned && owned->task == co_self();
}

/* With no room left it is the thread's, as it would be without us. */
void co__owner_locked(pthread_mutex_t *mutex)
{
    struct owned *owned;

    owned = find(mutex);
    if (owned) {
        owned->depth++;
    } else if (count < OWNED_MAX) {
        table[count].mutex = mutex;
        table[count].task = co_self();
        table[count].depth = 1;
        count++;
    }
}

int co__owner_unlocking(pthread_mutex_t *mutex)
{
    struct owned *owned;

    if (!count)
        return 1;
    owned = find(mutex);
    if (!owned)
        return 1;
    if (--owned->depth > 0)
        return 0;
    *owned = table[--count];
    return 1;
}
