/* SPDX-License-Identifier: MIT */
/*
 * See wait.h: macOS. Conditions know the time of day, or a duration; poll(2)
 * knows milliseconds, and not every device: select(2) knows them all.
 */
#define _DARWIN_UNLIMITED_SELECT 1 /* descriptors above FD_SETSIZE */

#include "base/wait.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/select.h>
#include <sys/types.h>
#include <time.h>

/* At a time: who waits for longer looks again then. */
#define WAIT_MOST (100000 * CO_SEC)

void co__cond_init(pthread_cond_t *cond)
{
    pthread_cond_init(cond, NULL);
}

int co__cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, co_time until)
{
    struct timespec left;
    co_time now;

    if (until == CO_NEVER)
        return pthread_cond_wait(cond, lock);
    now = co__clock_real();
    if (until <= now)
        return ETIMEDOUT;
    if (until - now > WAIT_MOST) {
        left = co__timespec(WAIT_MOST);
        pthread_cond_timedwait_relative_np(cond, lock, &left);
        return 0;
    }
    left = co__timespec(until - now);
    return pthread_cond_timedwait_relative_np(cond, lock, &left);
}

/* Wait for one descriptor by select(2). */
static int select_one(struct pollfd *p, co_time limit)
{
    size_t words = (size_t)p->fd / NFDBITS + 1;
    fd_mask *sets = co__alloc_zero(2 * words * sizeof(*sets));
    fd_set *in = (fd_set *)sets, *out = (fd_set *)(sets + words);
    struct timespec left = co__timespec(limit);
    int n;

    if (!sets)
        return -ENOMEM;
    if (p->events & POLLIN)
        FD_SET(p->fd, in);
    if (p->events & POLLOUT)
        FD_SET(p->fd, out);
    n = pselect(p->fd + 1, in, out, NULL, limit == CO_NEVER ? NULL : &left,
                NULL);
    p->revents = 0;
    if (n < 0)
        n = -errno;
    else if (n > 0)
        p->revents = (short)((FD_ISSET(p->fd, in) ? POLLIN : 0) |
                             (FD_ISSET(p->fd, out) ? POLLOUT : 0));
    co__free(sets);
    return n < 0 ? n : p->revents != 0;
}

int co__poll(struct pollfd *fds, unsigned count, co_time limit)
{
    struct timespec left;
    int n, ms = -1;

    if (limit != CO_NEVER) {
        if (limit < 0)
            limit = 0;
        if (limit > WAIT_MOST)
            limit = WAIT_MOST;
        ms = (int)((limit + CO_MS - 1) / CO_MS);
    }
    if (count == 0 && ms >= 0) { /* more exactly than in milliseconds */
        left = co__timespec(limit);
        n = pselect(0, NULL, NULL, NULL, &left, NULL);
        return n < 0 ? -errno : 0;
    }
    n = poll(fds, count, ms);
    if (n == 1 && count == 1 && fds->revents & POLLNVAL &&
        fcntl(fds->fd, F_GETFD) >= 0)
        return select_one(fds, limit);
    return n < 0 ? -errno : n;
}
