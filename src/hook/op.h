/* SPDX-License-Identifier: MIT */
/* hook/op.h - how long a call on a descriptor is patient. */
#ifndef CO_HOOK_OP_H
#define CO_HOOK_OP_H

#include "hook/hook.h"

/* Flags of recv and send: what does not wait is not our business. */
#define CO__AT_ONCE (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB)

/* So often in a row the reactor may say "ready" and the try "not so": then it
 * is tried after a pause. */
#define CO__CONTRADICTIONS_MAX 16

/* What is asked of a descriptor when it has made a call wait for the first
 * time. */
struct co__patience {
    co_time until; /* by SO_RCVTIMEO, SO_SNDTIMEO */
    co_time pause; /* the last one, see co__hook_pause */
    int known;     /* it has been asked, and blocks */
    int rounds;
};
#define CO__PATIENCE                                                           \
    {                                                                          \
        .until = CO_NEVER                                                      \
    }

/* Whether the program has made it non-blocking. */
int co__op_nonblocking(int fd);

/* Ask for its limits, if that was not done: 0 if it is non-blocking. */
int co__op_patient(int fd, int direction, struct co__patience *patience);

/* Wait in one direction: 1, or 0 if the call is to fail with EAGAIN (it is
 * non-blocking, or its own time is up), or a negative errno. */
int co__op_wait(struct co__site *site, int fd, int direction,
                struct co__patience *patience);

/* The same for who goes on until all is done, and sets `rounds` to 0 when a try
 * has got on. */
int co__op_wait_more(struct co__site *site, int fd, int direction,
                     struct co__patience *patience);

/* read(2) of what is there, and writev(2) of what there is room for; -1 and
 * EAGAIN if it would wait. Not for writing to a terminal. */
ssize_t co__op_read_now(int fd, void *buffer, size_t len);
ssize_t co__op_write_now(int fd, struct iovec *iov, int count);

/* write(2) in a task, of what is not in Coppice's care. */
ssize_t co__op_write(struct co__site *site, int fd, const void *data,
                     size_t len);

/* Around a call that has no flag for it: make it non-blocking for a moment.
 * errno stays what the call has left. */
int co__op_unblock(int fd);
void co__op_reblock(int fd, int flags);

#endif
