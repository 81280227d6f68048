/* SPDX-License-Identifier: MIT */
/* poll/uring.h - the ring, between the files that use it. */
#ifndef CO_POLL_URING_H
#define CO_POLL_URING_H

#include "base/compiler.h"
#include "core/command.h"
#include "core/poller.h"
#include "poll/wake.h"
#include "poll/watches.h"

#include <liburing.h>
#include <stdatomic.h>

/* What is registered for a descriptor. */
struct co__uring_watch {
    uint32_t gen;
    uint32_t serial; /* of the request; what carries another is out of date */
    uint32_t events; /* asked for; 0: nothing is registered */
    int once;        /* armed, not watched */
};

struct co__uring_lent;

struct co__poller {
    struct io_uring ring;
    struct co_loop *loop;
    uint64_t thread; /* whose ring it is, see base/thread.h; 0: nobody's yet */
    unsigned forks;  /* co__forks of the process whose ring it is */
    int registered;  /* the ring, with that thread */
    int left_some;   /* completions that were not taken the last time */
    uint32_t serial;
    uint32_t commands; /* under way */
    uint64_t can;      /* bits of co__command_code */
    atomic_int lapsed; /* set by any thread: weed before the next submission */
    struct co__wake wake;
    struct co__wake outside; /* for foreign loops; valid if it was asked for */
    atomic_int has_outside;
    struct co__watches watched; /* processes and signals */
    int probe_fd; /* an epoll set that is asked what can be waited for; or -1 */
    unsigned watches_count;
    struct co__uring_watch *watches; /* by descriptor */
    struct co__uring_lent *lent;     /* buffers of the kernel's, or NULL */
    int lends_none;                  /* it wants none */
};

/*
 * What a completion is about, in its user_data: a command's address; or a
 * watch, as descriptor * 2 + 1 with its serial number above; or one of these.
 */
#define CO__URING_NOTHING  UINT64_C(0)
#define CO__URING_WAKE     UINT64_C(2)
#define CO__URING_WATCHED  UINT64_C(4)
#define CO__URING_COMMANDS UINT64_C(4096) /* addresses begin here */

/* ---- what is queued: uring_queue.c --------------------------------------- */

void co__uring_lapse(struct co__poller *poller);

/* What is queued with a generation that has ended is made to end with -EBADF.
 */
CO_COLD void co__uring_weed(struct co__poller *poller);

/* The ring, for a submission. */
CO_INLINE struct io_uring *co__uring_weeded(struct co__poller *poller)
{
    if (CO_UNLIKELY(
            atomic_load_explicit(&poller->lapsed, memory_order_relaxed))) {
        atomic_exchange(&poller->lapsed, 0); /* pairs with co__uring_lapse */
        co__uring_weed(poller);
    }
    return &poller->ring;
}

/* An entry to fill in; what is queued is submitted first if there is no room.
 * NULL: the kernel has no memory. */
CO_COLD struct io_uring_sqe *co__uring_make_room(struct co__poller *poller);
CO_INLINE struct io_uring_sqe *co__uring_sqe(struct co__poller *poller)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&poller->ring);

    return CO_LIKELY(sqe != NULL) ? sqe : co__uring_make_room(poller);
}

/* ---- uring.c ------------------------------------------------------------- */

/* The watch that an odd user_data is about; NULL: it is out of date. */
struct co__uring_watch *co__uring_watch_of(struct co__poller *poller,
                                           uint64_t data, int *fd);

/* Queue a poll request. 0, or -ENOMEM. */
int co__uring_poll(struct co__poller *poller, int fd, unsigned events, int once,
                   uint64_t data);

/* Tell a foreign loop that there is something to take, if there is. */
void co__uring_tell_outside(struct co__poller *poller);

/* ---- completions: uring_reap.c ------------------------------------------- */

/* Take note of some of what has come. Returns how many events were reported. */
int co__uring_take(struct co__poller *poller);

/* The same; if nothing has, submit what is queued before; `wait`: for one thing
 * at least. */
int co__uring_reap(struct co__poller *poller, unsigned wait);

/* ---- buffers for what is received: uring_lend.c -------------------------- */

/* See to it that the kernel has some. 0, -EOPNOTSUPP (it wants none), -ENOBUFS
 * (all it had are in use, and there is no memory for others). */
int co__uring_lend(struct co__poller *poller);

/* A command with a lent buffer has ended. */
void co__uring_lent_back(struct co__poller *poller,
                         const struct co__command *command, int result,
                         unsigned flags);

/* Take them back from the kernel; no command is under way. And free them, when
 * the ring is gone; NULL is a no-op. */
void co__uring_unlend(struct co__poller *poller);
void co__uring_lent_free(struct co__uring_lent *lent);

/* ---- commands: uring_command.c ------------------------------------------- */

/* Which of them the kernel knows; 0: not all that are needed. */
uint64_t co__uring_commands(struct io_uring *ring);
CO_INLINE struct co__command *co__uring_command_of(uint64_t data)
{
    return (struct co__command *)(uintptr_t)data;
}
void co__uring_command_ended(struct co__poller *poller, uint64_t data,
                             int result, unsigned flags);

int co__uring_submit(struct co__poller *poller, struct co__command *command);
void co__uring_cancel(struct co__poller *poller, struct co__command *command);
void co__uring_forget(struct co__poller *poller, struct co__command *command);

#endif
