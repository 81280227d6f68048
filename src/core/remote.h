/* SPDX-License-Identifier: MIT */
/*
 * core/remote.h - a wait that another thread ends: of a task, or of a thread
 * outside tasks. What crosses threads (futures, channels, jobs) keeps a list of
 * these under a lock of its own, and posts one after it has unlinked it.
 *
 *     co__remote_begin(&w.remote);
 *     lock; look once more; link w; unlock;
 *     r = co__remote_wait(&w.remote, CO__WAIT_THING);
 *     if (r < 0) {
 *         lock; linked = w is linked; unlink it; unlock;
 *         if (!linked) {              it was posted meanwhile: granted
 *             co__remote_settle(&w.remote);
 *             r = 0;
 *         }
 *     }
 *
 * The poster unlinks under the lock and posts after it. The node lives on the
 * waiter's stack and may be gone as soon as it has arrived.
 */
#ifndef CO_CORE_REMOTE_H
#define CO_CORE_REMOTE_H

#include <coppice/call.h>
#include <coppice/loop.h>

#include "core/task.h"

#include <stdatomic.h>

struct co__parker;

enum co__remote_state {
    CO__REMOTE_WAITED_FOR = 0,
    CO__REMOTE_ARRIVED,
    CO__REMOTE_SLEPT_FOR, /* a thread: it is to be signalled */
};

struct co__remote {
    co_call call;
    struct co_loop *loop;      /* NULL: a thread waits */
    struct co_task *task;      /* woken when it has arrived; or NULL */
    struct co__parker *parker; /* the thread's; valid if loop is NULL */
    /* Called on the loop's thread as it arrives; it neither suspends nor runs
     * code of the user's. Or NULL. */
    void (*arrived)(struct co__remote *remote);
    atomic_int state;        /* enum co__remote_state */
    struct co__remote *also; /* a thread waits for either; or NULL */
    /* For the owner's list. */
    struct co__remote *next, *prev;
    int linked;
};

/* Prepare a node for the running task, or for this thread. */
void co__remote_begin(struct co__remote *remote);

/* Wait until it has arrived: 0, or -ECANCELED, -ETIMEDOUT (it may have been
 * posted all the same), -EPERM (in a loop callback). */
int co__remote_wait(struct co__remote *remote, enum co__wait_reason reason);

/* The same outside tasks, for the nodes that follow by `also` too, and until
 * `until` (CO_NEVER: no limit): 0 also if one of those has arrived, or the time
 * has come. */
int co__remote_wait_any(struct co__remote *remote, co_time until);

CO_INLINE int co__remote_has_arrived(struct co__remote *remote)
{
    return atomic_load_explicit(&remote->state, memory_order_acquire) ==
           CO__REMOTE_ARRIVED;
}

/* It was posted: wait until it has arrived, whatever the limits. */
void co__remote_settle(struct co__remote *remote);

/* End the wait. Any thread, once, after it was unlinked. */
void co__remote_post(struct co__remote *remote);

/* What the loop calls for a node that was posted; see inbox.c. */
void co__remote_arrive(void *arg);

/* ---- the owner's list, under its lock ------------------------------------ */

struct co__remotes {
    struct co__remote *head, *tail;
};

void co__remotes_push(struct co__remotes *list, struct co__remote *remote);
/* Returns whether it was linked. */
int co__remotes_remove(struct co__remotes *list, struct co__remote *remote);

#endif
