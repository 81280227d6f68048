/* SPDX-License-Identifier: MIT */
/*
 * Accepting connections.
 *
 * Usually an accept is tried, as every call is (io.c). Where the backend
 * carries commands out a listener of ours is served by one command that goes on
 * accepting, so that a connection costs no system call of its own: what it
 * accepts is queued here, its `done` says "try again" to the first in line, and
 * the try takes from the queue. The slot's flags say what a try has to know:
 * AHEAD, that something is queued, and ACCEPTS, that the kernel will tell of
 * what comes.
 *
 * How far ahead: the command is given only when somebody waits, and after the
 * kernel has said -EAGAIN, and taken back when AHEAD_MOST are queued. By then
 * the kernel may have handed over more: all that came between two turns. So the
 * queue can grow; but who accepts slowly does not get the whole backlog, which
 * a command given while connections wait there would accept at once.
 *
 * Whatever ends the command is not reported: who waits tries for himself, and
 * is told the same, or something better. So that a kernel which refuses the
 * command and then says -EAGAIN does not keep us busy, the next wait is one for
 * readiness; all of them, if the kernel does not know such commands.
 *
 * No connection is lost when a task is cancelled, or a run ends, but all that
 * are queued are closed with the listener or the loop.
 */
#include "io/ahead.h"

#include <coppice/socket.h>

#include "base/alloc.h"
#include "base/forks.h"
#include "base/system.h"
#include "io/care.h"
#include "io/io.h"
#include "io/sys.h"

#include <string.h>
#include <unistd.h>

#define AHEAD_MOST 16u

struct co__ahead {
    struct co__command command; /* valid while the slot's ACCEPTS is set */
    struct co_loop *loop;
    struct co__fd_slot *slot;
    unsigned forks; /* co__forks of the process that accepted */
    int stopping;   /* the command is being cancelled */
    int error;      /* that has ended the last command, or 0 */
    uint32_t head;  /* free-running */
    uint32_t count;
    uint32_t room; /* a power of two */
    int *queue;    /* descriptors that nobody owns yet */
};

struct accept_op {
    struct co__op op; /* first: what the mechanism knows */
    struct sockaddr *addr;
    socklen_t *addr_len;
};

/* ---- the queue ----------------------------------------------------------- */

static struct co__ahead *ahead_of(const struct co_loop *loop,
                                  const struct co__fd_slot *slot)
{
    return slot->ahead ? loop->fds->aheads[slot->ahead - 1] : NULL;
}

static int put(struct co__ahead *l, int conn)
{
    if (l->count == l->room) {
        uint32_t room = l->room * 2;
        int *queue = co__alloc(room * sizeof(*queue));

        if (!queue)
            return -ENOMEM;
        for (uint32_t i = 0; i < l->count; i++)
            queue[i] = l->queue[(l->head + i) & (l->room - 1)];
        co__free(l->queue);
        l->queue = queue;
        l->room = room;
        l->head = 0;
    }
    l->queue[(l->head + l->count++) & (l->room - 1)] = conn;
    return 0;
}

static int take(struct co__ahead *l)
{
    l->count--;
    return l->queue[l->head++ & (l->room - 1)];
}

/* The backend's report. */
static void accepted(struct co__command *command, int result, unsigned end)
{
    struct co__ahead *l = CO_CONTAINER_OF(command, struct co__ahead, command);
    struct co__fd_slot *slot = l->slot;

    if (result >= 0 && put(l, result) < 0) {
        close(result); /* there is no memory, and it cannot be put back */
    } else if (result >= 0) {
        slot->flags |= CO__FD_AHEAD;
        slot->ready |= CO_READABLE | CO__FD_FRESH(CO_READABLE);
    }
    if (!(end & CO__END_MORE)) {
        l->error = result < 0 && result != -ECANCELED ? result : 0;
        slot->flags &= (uint16_t)~CO__FD_ACCEPTS;
        slot->ready |= CO_READABLE; /* the backlog is not known to be empty */
    } else if (l->count >= AHEAD_MOST && !l->stopping) {
        l->stopping = 1;
        l->loop->poller_ops->cancel(l->loop->poller, command);
    }
    co__fd_pass(slot, CO_READABLE);
}

/* Close all that is queued. */
static void discard(struct co__ahead *l)
{
    while (l->count)
        close(take(l));
}

/* ---- a loop's listeners -------------------------------------------------- */

/* A free place among them, or -ENOMEM. */
static int place(struct co__fd_table *table)
{
    uint32_t count = table->aheads_count;
    struct co__ahead **aheads;

    for (uint32_t i = 0; i < count; i++)
        if (!table->aheads[i])
            return (int)i;
    aheads =
        co__realloc(table->aheads, (count + 1) * sizeof(struct co__ahead *));
    if (!aheads)
        return -ENOMEM;
    aheads[count] = NULL;
    table->aheads = aheads;
    table->aheads_count = count + 1;
    return (int)count;
}

static CO_COLD struct co__ahead *ahead_make(struct co_loop *loop,
                                            struct co__fd_slot *slot)
{
    struct co__ahead *l = co__alloc_zero(sizeof(*l));
    int at = l ? place(loop->fds) : -ENOMEM;

    if (at >= 0)
        l->queue = co__alloc(AHEAD_MOST * sizeof(*l->queue));
    if (at < 0 || !l->queue) {
        co__free(l);
        return NULL;
    }
    l->room = AHEAD_MOST;
    l->loop = loop;
    l->slot = slot;
    l->forks = co__forks;
    loop->fds->aheads[at] = l;
    slot->ahead = (uint32_t)at + 1;
    return l;
}

static void ahead_free(struct co__ahead *l)
{
    discard(l);
    co__free(l->queue);
    co__free(l);
}

void co__ahead_forget(struct co_loop *loop, struct co__fd_slot *slot)
{
    struct co__ahead *l = ahead_of(loop, slot);

    if (slot->flags & CO__FD_ACCEPTS)
        loop->poller_ops->forget(loop->poller, &l->command);
    loop->fds->aheads[slot->ahead - 1] = NULL;
    slot->ahead = 0;
    ahead_free(l);
}

void co__ahead_rest(struct co_loop *loop)
{
    for (uint32_t i = 0; i < loop->fds->aheads_count; i++) {
        struct co__ahead *l = loop->fds->aheads[i];

        if (l && l->slot->flags & CO__FD_ACCEPTS)
            loop->poller_ops->forget(loop->poller, &l->command);
    }
}

void co__ahead_close(struct co__fd_table *table)
{
    for (uint32_t i = 0; i < table->aheads_count; i++)
        if (table->aheads[i])
            ahead_free(table->aheads[i]);
    co__free(table->aheads);
    table->aheads = NULL;
    table->aheads_count = 0;
}

static int start(struct co__ahead *l, int fd)
{
    memset(&l->command, 0, sizeof(l->command));
    l->command.code = CO__DO_ACCEPT;
    l->command.hint = CO__HINT_MULTI | CO__HINT_BOUND;
    l->command.gen = l->slot->gen;
    l->command.fd = fd;
    l->command.done = accepted;
    l->stopping = 0;
    return l->loop->poller_ops->submit(l->loop->poller, &l->command);
}

int co__ahead_await(struct co_loop *loop, struct co__fd_slot *slot, int fd)
{
    struct co__ahead *l;
    int r;

    if (slot->flags & CO__FD_ACCEPTS)
        return 0;
    if (!co__commands(loop) || !co__fd_commanded(slot) ||
        loop->self->flags & CO__FLAG_CALLBACK)
        return co__fd_await(loop, slot, fd, CO_READABLE);
    l = ahead_of(loop, slot);
    if (!l)
        l = ahead_make(loop, slot);
    if (!l || l->error) {
        if (l && l->error != -EINVAL) /* which says: not known */
            l->error = 0;
        return co__fd_await(loop, slot, fd, CO_READABLE);
    }
    r = start(l, fd);
    if (r == 0)
        slot->flags |= CO__FD_ACCEPTS;
    return r;
}

/* ---- one try ------------------------------------------------------------- */

/* A connection that was accepted ahead. The kernel does not tell its address
 * then; of one that has been reset since nobody knows it any more. */
static int take_ahead(struct accept_op *a)
{
    struct co__fd_slot *slot = co__fd_find(co__loop, a->op.fd);
    struct co__ahead *l = ahead_of(co__loop, slot);
    int conn = -EAGAIN;

    if (CO_UNLIKELY(l->forks != co__forks)) {
        discard(l); /* they are the parent's */
        l->forks = co__forks;
    } else {
        conn = take(l);
    }
    if (!l->count) {
        slot->flags &= (uint16_t)~CO__FD_AHEAD;
        if (slot->flags & CO__FD_ACCEPTS)
            slot->ready &= (uint8_t)~CO_READABLE;
    }
    if (conn >= 0 && a->addr && getpeername(conn, a->addr, a->addr_len) < 0) {
        int r = errno == ENOTCONN ? -ECONNABORTED : -errno;

        close(conn);
        return r;
    }
    return conn;
}

static ssize_t accept_foreign(int fd, struct sockaddr *addr,
                              socklen_t *addr_len)
{
    int conn;
    int flags = co__fd_poll(fd, CO_READABLE);

    if (flags <= 0)
        return flags < 0 ? flags : -EAGAIN;
    flags = co__fd_unblock(fd);
    if (flags < 0)
        return flags;
    conn = co__sys_accept(fd, addr, addr_len);
    co__fd_reblock(fd, flags);
    return conn;
}

static CO_NOINLINE ssize_t accept_unusual(struct accept_op *a, unsigned care)
{
    if (care & CO__FD_AHEAD)
        return take_ahead(a);
    return accept_foreign(a->op.fd, a->addr, a->addr_len);
}

static ssize_t try_accept(struct co__op *op, unsigned care)
{
    struct accept_op *a = (struct accept_op *)op;
    unsigned kind;
    ssize_t conn;

    do {
        if (CO_LIKELY((care & (CO__FD_OWN | CO__FD_AHEAD)) == CO__FD_OWN))
            conn = co__sys_accept(op->fd, a->addr, a->addr_len);
        else
            conn = accept_unusual(a, care);
    } while (conn == -EINTR);
    if (conn < 0)
        return conn;
    /* A connection is of its listener's kind. Without memory to note that it
     * is ours it is a foreign one to us: slower, but not lost. */
    kind = care & CO__FD_OWN ? care & (CO__FD_SOCKET | CO__FD_DRAIN)
                             : co__fd_kind_of_socket((int)conn);
    (void)co__fd_own((int)conn, CO__FD_OWN | kind);
    return conn;
}

static const struct co__op_kind kind_accept = {try_accept, NULL};

int co_accept(int fd, struct sockaddr *addr, socklen_t *addr_len)
{
    struct accept_op a = {.op = {.fd = fd, .mode = CO__OP_AHEAD},
                          .addr = addr,
                          .addr_len = addr ? addr_len : NULL};

    if (fd < 0)
        return -EBADF;
    if (addr && !addr_len)
        return -EINVAL;
    return (int)co__io(&a.op, &kind_accept, CO_READABLE);
}
