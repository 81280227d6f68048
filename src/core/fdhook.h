/* SPDX-License-Identifier: MIT */
/*
 * core/fdhook.h - what a loop asks of its descriptors (loop->fds). Implemented
 * in io/, which this layer does not include.
 */
#ifndef CO_CORE_FDHOOK_H
#define CO_CORE_FDHOOK_H

#include "core/task.h"
#include "core/waitlist.h"

struct co__here;
struct co_loop;
struct co__fd_slot;

/* Make loop->fds: 0, or -ENOMEM, -EMFILE (too many loops at a time). */
int co__fds_open(struct co_loop *loop);

/* A run ends, and the loop has no tasks: no command of the library's own is
 * left with the backend. */
void co__fds_rest(struct co_loop *loop);

/* Free it; the loop's own descriptors stay open, and the next loop that uses
 * one may have it. The poller may be gone by now: it is not asked. */
void co__fds_close(struct co_loop *loop);

/*
 * After fork in the child: no loop of the parent owns a descriptor here. `loop`
 * is the one that the forking task ran in, or NULL; its memory is left as it
 * is, nothing is asked of its poller. What was accepted ahead is closed.
 */
void co__fds_abandon(struct co_loop *loop);

/*
 * Waiting for a descriptor, alone or among other things, on the stack of the
 * waiting task:
 *
 *     begin                               0, or a negative errno
 *     while (!(n = ready)) {              directions, or a negative errno
 *         link; park;                     a wake only says "look again"
 *     }
 *     end                                 if begin has succeeded
 */
struct co__fd_wait {
    int fd;
    int directions; /* CO_READABLE, CO_WRITABLE (coppice/fd.h), or both */
    struct co__fd_slot *slot;
    struct co__waiter waiters[2];
    int linked; /* it has stood in line */
};

/* Returns 0, or -EINVAL (directions), -EBADF, -ENOMEM. */
int co__fd_wait_begin(struct co_loop *loop, struct co__fd_wait *wait, int fd,
                      int directions);
/* Which directions are ready now; 0: none. -EBADF: not open, or closed now. */
int co__fd_wait_ready(struct co_loop *loop, struct co__fd_wait *wait);
/* Stand in line, and have the poller report. Returns 0, or -EAGAIN (it cannot
 * be waited for), -EBADF, -ENOMEM, -ENOSPC. */
int co__fd_wait_link(struct co_loop *loop, struct co__fd_wait *wait,
                     struct co_task *task);
void co__fd_wait_end(struct co__fd_wait *wait);

/* All of it for who waits for nothing else, under the task's limits: the
 * directions, or a negative errno; also -ECANCELED, -ETIMEDOUT. */
int co__fd_wait_alone(const struct co__here *here, int fd, int directions,
                      enum co__wait_reason reason);

#endif
