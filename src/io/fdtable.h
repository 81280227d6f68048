/* SPDX-License-Identifier: MIT */
/*
 * io/fdtable.h - what Coppice knows about descriptors: a word for each number
 * in the process, and a slot for each number in every loop that has used it.
 * See fdtable.c.
 */
#ifndef CO_IO_FDTABLE_H
#define CO_IO_FDTABLE_H

#include <coppice/fd.h>

#include "core/command.h"
#include "core/loop.h"
#include "core/waitlist.h"

#include <stdatomic.h>

/* What a word and a slot say of a descriptor... */
#define CO__FD_OWN    0x01u /* ours (in a slot: this loop's), non-blocking */
#define CO__FD_SOCKET 0x02u /* recv and send work; own ones only */
#define CO__FD_DRAIN  0x04u /* a short transfer means drained; own ones only */
/* ...and a word alone, of one that is not: several loops have waited for it. */
#define CO__FD_OTHERS 0x08u
/* ...and a slot alone. */
#define CO__FD_SEEN    0x10u /* the slot is in use */
#define CO__FD_KNOWN   0x20u /* the poller has, or may have, it registered */
#define CO__FD_WATCHED 0x40u /* ...for all of its life: it is not armed */
#define CO__FD_SEEKS   0x80u /* it was found to have offsets, see file.c */
/* The first in line in this direction has a command under way. */
#define CO__FD_BUSY(direction) ((direction) << 8)
/* Of a listener, see ahead.c. */
#define CO__FD_AHEAD   0x800u  /* connections have been accepted ahead */
#define CO__FD_ACCEPTS 0x1000u /* a command goes on accepting */

/* Of `ready`: an event has said so, and nothing was tried since. */
#define CO__FD_FRESH(directions) ((directions) << 2)

struct co__fd_slot {
    _Atomic(uint64_t) *word; /* the number's; valid while SEEN */
    uint32_t gen;            /* the word's when the slot was bound */
    uint16_t flags;
    uint8_t ready;  /* directions in which a try may succeed; and FRESH ones */
    uint8_t sticky; /* RDHUP, HUP, ERR, PRI of any event so far */
    struct co__waitlist waiters[2]; /* readers, writers */
    struct co__reaction *reactions; /* see event/reader.c */
    uint32_t drops;                 /* how often it was dropped */
    uint32_t ahead; /* 0, or its place in the table's aheads, plus 1 */
} __attribute__((aligned(CO_CACHE_LINE)));

_Static_assert(sizeof(struct co__fd_slot) == CO_CACHE_LINE,
               "a slot is one cache line");

#define CO__FD_CHUNK_BITS 8
#define CO__FD_CHUNK      (1u << CO__FD_CHUNK_BITS)

struct co__fd_table {
    struct co__fd_slot **chunks; /* of CO__FD_CHUNK slots; some NULL */
    uint32_t chunk_count;
    uint32_t aheads_count;
    struct co__ahead **aheads;  /* see ahead.c; some NULL */
    struct co__pipeful *spare;  /* see splice_linux.c; an empty one, or NULL */
    struct co__buffer *buffers; /* see buffer.c */
    uint32_t buffers_count;
    co_call closed; /* somewhere else, what this loop has waited for */
    unsigned forks; /* as co__forks when it was made */
    uint32_t id;    /* of this loop in words, 1 and up */
    uint32_t epoch; /* how many forks lay behind when it was made */
};

/* The slot of a number if the loop has one, used or not. */
CO_INLINE struct co__fd_slot *co__fd_find(const struct co_loop *loop, int fd)
{
    const struct co__fd_table *table = loop->fds;
    uint32_t chunk = (uint32_t)fd >> CO__FD_CHUNK_BITS;

    if (CO_UNLIKELY(chunk >= table->chunk_count || !table->chunks[chunk]))
        return NULL;
    return &table->chunks[chunk][(uint32_t)fd % CO__FD_CHUNK];
}

/* Whether a SEEN slot is still about the descriptor that it was bound to. */
CO_INLINE int co__fd_current(const struct co__fd_slot *slot)
{
    uint64_t word = atomic_load_explicit(slot->word, memory_order_relaxed);

    return (uint32_t)(word >> 32) == slot->gen;
}

/* Whether calls are commands, if the backend carries them out. Such a slot is
 * never watched, which would report what commands have dealt with. */
CO_INLINE int co__fd_commanded(const struct co__fd_slot *slot)
{
    return (slot->flags & (CO__FD_OWN | CO__FD_SOCKET)) ==
           (CO__FD_OWN | CO__FD_SOCKET);
}

/* Who stands in line with a command: on the waiting task's stack. */
struct co__fd_command {
    struct co__waiter waiter;
    struct co__command command;
};

CO_INLINE struct co__waitlist *co__fd_waiters(struct co__fd_slot *slot,
                                              int direction)
{
    return &slot->waiters[direction == CO_WRITABLE];
}

/*
 * The slot of a number, bound to what the number is now; tasks that waited for
 * what it was get -EBADF. Returns 0, or -EBADF (negative, or absurd), -ENOMEM.
 */
int co__fd_slot(struct co_loop *loop, int fd, struct co__fd_slot **out);

/* Leave the poller and let all waiters go with -EBADF. */
void co__fd_drop(struct co_loop *loop, int fd, struct co__fd_slot *slot);

/* The word of a used slot has changed hands: its waiters go on under the new
 * rules. */
void co__fd_rebind(struct co_loop *loop, int fd, struct co__fd_slot *slot);

/* Wake who is first in line, if there is something for it to do. */
void co__fd_pass(struct co__fd_slot *slot, int direction);

/* Leave the line, and pass on what is left for the next. */
void co__fd_leave(struct co__fd_slot *slot, int fd, int direction,
                  struct co__waiter *waiter);

/*
 * See to it that the poller reports when a descriptor is ready in `directions`.
 * Returns 0, or -EAGAIN (it cannot be waited for), -EBADF, -ENOMEM, -ENOSPC.
 */
int co__fd_await(struct co_loop *loop, struct co__fd_slot *slot, int fd,
                 int directions);

/* ---- the process-wide words ---------------------------------------------- */

/* A new descriptor of ours: flags are OWN, SOCKET, DRAIN. 0, or -ENOMEM. */
int co__fd_own(int fd, unsigned flags);

/*
 * Take a number out of our care: its generation ends, and tasks that wait for
 * it get -EBADF, those of other loops when these are told. 0, or -EPERM
 * (another loop's).
 */
int co__fd_disown(int fd);

/* The same, of any loop's: it is about to be closed by who does not ask. */
void co__fd_closing(int fd);

/* OWN, SOCKET, DRAIN of a number now, and whether it is another loop's. */
unsigned co__fd_care(int fd, int *elsewhere);

#endif
