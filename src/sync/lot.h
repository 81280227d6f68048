/* SPDX-License-Identifier: MIT */
/*
 * sync/lot.h - a parking lot: waiting at an address, as futex(2) does, for
 * tasks of all loops. Locks that are made elsewhere (pthread_mutex_t) have no
 * room for a list of tasks; the lot keeps it.
 *
 * After WebKit's WTF::ParkingLot, "Locking in WebKit", 2016.
 */
#ifndef CO_SYNC_LOT_H
#define CO_SYNC_LOT_H

#include <coppice/base.h>

/*
 * Wait at an address. First `worth` is called, under the lock that co__lot_wake
 * takes too; then, in line, `before` is, under none. Either may be NULL, and
 * ends the wait by a number other than 0, which is returned; neither suspends.
 * In a task.
 *
 * Returns 0 when woken, or -ECANCELED, -ETIMEDOUT.
 */
CO_API int co__lot_wait(const void *address, int (*worth)(void *arg),
                        int (*before)(void *arg), void *arg);

/* Wake the first `most` of those that wait at an address, after an atomic
 * read-modify-write of what they wait for (each unlock is one), or with a lock
 * that they had when they began. Any thread. Returns how many. */
CO_API unsigned co__lot_wake(const void *address, unsigned most);

#endif
