/* SPDX-License-Identifier: MIT */
/*
 * io/io.h - the one mechanism behind every call that reads, writes, accepts or
 * connects. A call describes itself as a co__op and hands it to co__io: that
 * tries, and where the try says -EAGAIN waits in line and tries again.
 *
 * The drain rule: after a short transfer a TCP stream has nothing left, and a
 * pipe that was written to has no room (one that is read from may be in packet
 * mode), so the next call parks without asking the kernel. Not after RDHUP,
 * HUP, ERR or PRI was ever seen: what is queued behind the data then gives no
 * edge of its own, and who parked would wait for ever. Elsewhere only -EAGAIN
 * says drained.
 */
#ifndef CO_IO_IO_H
#define CO_IO_IO_H

#include "base/system.h"
#include "core/sched.h"
#include "io/fdtable.h"

struct iovec;

enum co__op_mode {
    CO__OP_NOWAIT = 1u << 0,  /* never wait: -EAGAIN instead */
    CO__OP_ASIDE = 1u << 1,   /* -EAGAIN tells nothing of the stream's data */
    CO__OP_BACKOFF = 1u << 2, /* no event follows -EAGAIN: look again later */
    CO__OP_AHEAD = 1u << 3,   /* an accept, which the backend may do ahead */
};

/*
 * One try that does not wait, whoever owns the descriptor. `care` is what is
 * known of it: CO__FD_OWN, CO__FD_SOCKET, CO__FD_DRAIN. Returns a count, or a
 * negative errno; never -EINTR.
 */
struct co__op;
typedef ssize_t co__attempt_fn(struct co__op *op, unsigned care);

/* The same as a command, where the backend carries commands out: fill in all
 * but the descriptor. */
struct co__command;
typedef void co__describe_fn(struct co__op *op, struct co__command *command);

struct co__op_kind {
    co__attempt_fn *attempt;   /* NULL: co__io_by_command alone does it */
    co__describe_fn *describe; /* NULL: it is always tried */
};

struct co__op {
    const struct co__op_kind *kind;
    int fd;
    int direction; /* CO_READABLE or CO_WRITABLE */
    unsigned mode;
    size_t want; /* less than this is short; 0: the drain rule has no say */
};

/* A transfer that is larger is cut by the kernel, and is not short. */
#define CO__IO_MAX ((size_t)0x7ffff000)

/* What every call checks on entry: 0, or -ECANCELED, -ETIMEDOUT. */
int co__io_enter(void);

/* The bytes of a vector: 0, or -EINVAL. And the same, at most CO__IO_MAX. */
int co__io_vector_sum(const struct iovec *iov, int count, size_t *sum);
int co__io_vector_length(const struct iovec *iov, int count, size_t *total);

/* Try and wait until done. Fills in for co__io where it is not that simple. */
ssize_t co__io_wait(const struct co__here *here, struct co__op *op);

/* The same on a loop whose backend carries commands out: have it done, in line
 * with the others that use the socket. */
ssize_t co__io_command(const struct co__here *here, struct co__fd_slot *slot,
                       struct co__op *op);

/* The whole operation, of a kind that is done by a command or not at all: then
 * -EOPNOTSUPP. */
ssize_t co__io_by_command(struct co__op *op);

/* Whether a limit has come since a wait began: 0, -ECANCELED, -ETIMEDOUT. */
CO_INLINE int co__io_limits(const struct co__here *here)
{
    if (here->task->chain.due > here->loop->now)
        return 0;
    return co__chain_error(&here->task->chain, here->loop->now);
}

/* Why a task waits that waits for a descriptor. */
CO_INLINE enum co__wait_reason co__io_reason(int direction)
{
    return direction == CO_WRITABLE ? CO__WAIT_FD_WRITE : CO__WAIT_FD_READ;
}

/* The same on a thread without a running loop: the thread waits. */
ssize_t co__io_block(struct co__op *op);

/* As co__io_enter, outside a task. */
int co__block_enter(void);

/* co_read and co_write past the checks on entry, and without waiting: -EAGAIN.
 * For who has waited, and was woken before a cancel came. */
ssize_t co__fd_try_read(int fd, void *buffer, size_t len);
ssize_t co__fd_try_write(int fd, const void *data, size_t len);

/* Wait for bytes without a buffer: *buffer is one with what has come, of
 * CO__LENT_BYTES at most and in size, if that is more than 0. To be freed, or
 * given away, by the caller. As co_read; -EOPNOTSUPP, -ENOBUFS: wait and try
 * instead. */
ssize_t co__fd_receive(int fd, void **buffer);

/* Wait until a descriptor is ready. Returns the directions, or a negative
 * errno. */
int co__block_fd(int fd, int directions);

/* Make a descriptor non-blocking, and blocking again. Returns the flags to
 * restore, 0 if it was non-blocking, or a negative errno. */
int co__fd_unblock(int fd);
void co__fd_reblock(int fd, int flags);

/* Around a send with MSG_DONTWAIT, where that is not heeded: as above, or
 * -ENOTSOCK. errno stays what the send has left. */
int co__send_unblock(int fd);
CO_INLINE int co__send_begin(const struct co__op *op, unsigned care)
{
    return CO_SEND_DONTWAIT || care & CO__FD_OWN ? 0 : co__send_unblock(op->fd);
}
CO_INLINE void co__send_end(const struct co__op *op, int flags)
{
    if (!CO_SEND_DONTWAIT && flags > 0)
        co__fd_reblock(op->fd, flags);
}

/* connect(2) of a socket that does not block: 0, -EINPROGRESS if it goes on by
 * itself, or an error. And, when the socket is writable, how that went: 0, an
 * error, or -EAGAIN if it still goes on. */
int co__connect_begin(int fd, const struct sockaddr *addr, socklen_t len);
int co__connect_outcome(int fd, const struct sockaddr *addr, socklen_t len);

/* Which directions are ready now, as poll(2) sees it: 0: none; -EBADF. */
int co__fd_poll(int fd, int directions);

/* Note in the slot what a try has shown. */
CO_INLINE void co__io_tried(struct co__fd_slot *slot, const struct co__op *op,
                            int direction, ssize_t n)
{
    slot->ready &= (uint8_t)~CO__FD_FRESH(op->direction);
    if (n == -EAGAIN) {
        if (!(op->mode & (CO__OP_ASIDE | CO__OP_BACKOFF)))
            slot->ready &= (uint8_t)~direction;
    } else if (n > 0 && (size_t)n < op->want && slot->flags & CO__FD_DRAIN &&
               !slot->sticky) {
        slot->ready &= (uint8_t)~direction;
    }
}

/*
 * The whole operation. `kind` and `direction` are constants of each call, so
 * that the try is inlined for the usual case: an own descriptor that is ready,
 * and nobody in line. The rest of *op is filled in by the caller.
 */
CO_INLINE ssize_t co__io(struct co__op *op, const struct co__op_kind *kind,
                         int direction)
{
    struct co__here here;
    struct co__fd_slot *slot;
    ssize_t n;
    int r;

    op->kind = kind;
    op->direction = direction;
    if (!co__here(&here))
        return co__io_block(op);
    r = co__enter(here.loop, here.task);
    if (CO_UNLIKELY(r < 0))
        return r;
    slot = co__fd_find(here.loop, op->fd);
    if (CO_LIKELY(slot && slot->flags & CO__FD_OWN && co__fd_current(slot) &&
                  slot->ready & direction &&
                  co__waitlist_empty(co__fd_waiters(slot, direction)))) {
        n = kind->attempt(op, slot->flags);
        co__io_tried(slot, op, direction, n);
        if (CO_LIKELY(n != -EAGAIN))
            return n;
    }
    return co__io_wait(&here, op);
}

#endif
