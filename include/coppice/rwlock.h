/* SPDX-License-Identifier: MIT */
/*
 * coppice/rwlock.h - a lock that many tasks of a loop may share to read, and
 * one has alone to write. First come, first served: who comes after a writer
 * that waits, waits behind it, and readers who stand together at the front are
 * let in together. So neither side can starve the other.
 */
#ifndef COPPICE_RWLOCK_H
#define COPPICE_RWLOCK_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/* Lives wherever the caller puts it; all-zero bytes are an unlocked lock. It
 * must not move or die while it is locked. Fields are private. */
typedef struct co_rwlock {
    struct co__waitlist co__waiters;
    struct co_task *co__writer;
    size_t co__readers;
    uintptr_t co__reserved;
} co_rwlock;

/*
 * Lock to read, together with other readers. Who reads must not lock again, not
 * even to read: a writer that waits in between would stop both.
 *
 * Suspends: if a writer has the lock, or anybody waits. Thread-safe: no.
 * Returns 0, or, not having locked it, -EINVAL (NULL), -ECANCELED, -ETIMEDOUT,
 * -EDEADLK (this task is the writer), -EPERM (it would wait outside a task, or
 * in a loop callback).
 */
CO_API CO_MUST_CHECK int co_rwlock_read_lock(co_rwlock *lock);

/*
 * Lock to write, alone.
 *
 * Suspends: if anybody has the lock. Thread-safe: no.
 * Returns as co_rwlock_read_lock.
 */
CO_API CO_MUST_CHECK int co_rwlock_write_lock(co_rwlock *lock);

/*
 * Lock if that can be done at once, without overtaking anybody.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -EBUSY.
 */
CO_API CO_MUST_CHECK int co_rwlock_try_read_lock(co_rwlock *lock);
CO_API CO_MUST_CHECK int co_rwlock_try_write_lock(co_rwlock *lock);

/*
 * Unlock. What nobody has locked to read, or the caller has not locked to
 * write, stops the program.
 *
 * Suspends: never. Thread-safe: no.
 */
CO_API void co_rwlock_read_unlock(co_rwlock *lock);
CO_API void co_rwlock_write_unlock(co_rwlock *lock);

/* Say that a lock is not used any more: nothing has to be freed, but if it is
 * locked the program stops here. NULL is a no-op. Suspends: never.
 * Thread-safe: no. */
CO_API void co_rwlock_fini(co_rwlock *lock);

CO_END_DECLS

#endif
