/* SPDX-License-Identifier: MIT */
/*
 * recv, send and kin. MSG_DONTWAIT is always passed to the kernel, so who owns
 * the descriptor makes no difference to a try.
 */
#include <coppice/socket.h>

#include "core/command.h"
#include "io/io.h"

#include <limits.h>
#include <sys/uio.h>

struct msg_op {
    struct co__op op; /* first: what the mechanism knows */
    int flags;
    void *data;
    size_t len;
    struct msghdr *message;
    struct sockaddr *addr;
    socklen_t *addr_len; /* recvfrom */
    socklen_t addr_size; /* sendto */
};

/* Flags that do not change what a short transfer means. */
#define PLAIN_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_CMSG_CLOEXEC)
/* What these read is not the stream's data, and they never wait. */
#define QUEUE_FLAGS (MSG_OOB | MSG_ERRQUEUE)

/* What the flags of the call mean for the mechanism. 0, or -EINVAL. */
CO_INLINE int apply_flags(struct msg_op *m, int direction, int flags,
                          size_t len)
{
    if (CO_LIKELY(!flags)) {
        m->op.want = len;
    } else {
        if (flags & MSG_WAITALL)
            return -EINVAL;
        m->op.want = flags & ~PLAIN_FLAGS ? 0 : len;
        if (flags & MSG_DONTWAIT)
            m->op.mode |= CO__OP_NOWAIT;
        if (direction == CO_READABLE) {
            if (flags & QUEUE_FLAGS)
                m->op.mode |= CO__OP_NOWAIT | CO__OP_ASIDE;
            else if (flags & MSG_PEEK)
                m->op.mode |= CO__OP_ASIDE; /* SO_PEEK_OFF: behind the data */
        }
    }
    m->flags = flags | MSG_DONTWAIT;
    if (direction == CO_WRITABLE)
        m->flags |= MSG_NOSIGNAL;
    return 0;
}

/* To a unix datagram socket with a full queue; no event tells that it has room
 * again, since our own socket has always had some. */
static unsigned mode_towards(const struct sockaddr *addr, socklen_t len)
{
    return addr && len >= CO_SOCKADDR_LEAST && addr->sa_family == AF_UNIX
               ? CO__OP_BACKOFF
               : 0;
}

/* ---- one try ------------------------------------------------------------- */

CO_INLINE ssize_t try_recv(struct co__op *op, unsigned care)
{
    struct msg_op *m = (struct msg_op *)op;
    ssize_t n;

    (void)care;
    do
        n = recv(op->fd, m->data, m->len, m->flags);
    while (CO_UNLIKELY(n < 0) && errno == EINTR);
    return n < 0 ? -errno : n;
}

CO_INLINE ssize_t try_send(struct co__op *op, unsigned care)
{
    struct msg_op *m = (struct msg_op *)op;
    int restore = co__send_begin(op, care);
    ssize_t n;

    if (restore < 0)
        return restore;
    do
        n = send(op->fd, m->data, m->len, m->flags);
    while (CO_UNLIKELY(n < 0) && errno == EINTR);
    co__send_end(op, restore);
    return n < 0 ? -errno : n;
}

static ssize_t try_recvfrom(struct co__op *op, unsigned care)
{
    struct msg_op *m = (struct msg_op *)op;
    ssize_t n;

    (void)care;
    do
        n = recvfrom(op->fd, m->data, m->len, m->flags, m->addr, m->addr_len);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t try_sendto(struct co__op *op, unsigned care)
{
    struct msg_op *m = (struct msg_op *)op;
    int restore = co__send_begin(op, care);
    ssize_t n;

    if (restore < 0)
        return restore;
    do
        n = sendto(op->fd, m->data, m->len, m->flags, m->addr, m->addr_size);
    while (n < 0 && errno == EINTR);
    co__send_end(op, restore);
    return n < 0 ? -errno : n;
}

static ssize_t try_recvmsg(struct co__op *op, unsigned care)
{
    struct msg_op *m = (struct msg_op *)op;
    ssize_t n;

    (void)care;
    do
        n = recvmsg(op->fd, m->message, m->flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t try_sendmsg(struct co__op *op, unsigned care)
{
    struct msg_op *m = (struct msg_op *)op;
    int restore = co__send_begin(op, care);
    ssize_t n;

    if (restore < 0)
        return restore;
    do
        n = sendmsg(op->fd, m->message, m->flags);
    while (n < 0 && errno == EINTR);
    co__send_end(op, restore);
    return n < 0 ? -errno : n;
}

/* ---- as commands --------------------------------------------------------- */

static void describe(struct msg_op *m, struct co__command *command)
{
    command->data = m->data;
    command->len = (uint32_t)m->len;
    command->options = (uint32_t)(m->flags & ~MSG_DONTWAIT);
}

static void describe_recv(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_RECV;
    describe((struct msg_op *)op, command);
}

static void describe_send(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_SEND;
    describe((struct msg_op *)op, command);
}

static void describe_message(struct msg_op *m, struct co__command *command)
{
    command->data = m->message;
    command->len = 1;
    command->options = (uint32_t)(m->flags & ~MSG_DONTWAIT);
}

static void describe_recvmsg(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_RECVMSG;
    describe_message((struct msg_op *)op, command);
}

static void describe_sendmsg(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_SENDMSG;
    describe_message((struct msg_op *)op, command);
}

static const struct co__op_kind kind_recv = {try_recv, describe_recv},
                                kind_send = {try_send, describe_send},
                                kind_recvfrom = {try_recvfrom, NULL},
                                kind_sendto = {try_sendto, NULL},
                                kind_recvmsg = {try_recvmsg, describe_recvmsg},
                                kind_sendmsg = {try_sendmsg, describe_sendmsg};

/* ---- the calls ----------------------------------------------------------- */

ssize_t co_recv(int fd, void *buffer, size_t len, int flags)
{
    struct msg_op m = {.op = {.fd = fd}, .data = buffer};

    m.len = len < CO__IO_MAX ? len : CO__IO_MAX;
    if (CO_UNLIKELY((len && !buffer) ||
                    apply_flags(&m, CO_READABLE, flags, m.len) < 0))
        return -EINVAL;
    return co__io(&m.op, &kind_recv, CO_READABLE);
}

ssize_t co_send(int fd, const void *data, size_t len, int flags)
{
    struct msg_op m = {.op = {.fd = fd}, .data = (void *)data};

    m.len = len < CO__IO_MAX ? len : CO__IO_MAX;
    if (CO_UNLIKELY((len && !data) ||
                    apply_flags(&m, CO_WRITABLE, flags, m.len) < 0))
        return -EINVAL;
    return co__io(&m.op, &kind_send, CO_WRITABLE);
}

ssize_t co_recvfrom(int fd, void *buffer, size_t len, int flags,
                    struct sockaddr *addr, socklen_t *addr_len)
{
    struct msg_op m = {.op = {.fd = fd},
                       .data = buffer,
                       .addr = addr,
                       .addr_len = addr ? addr_len : NULL};

    m.len = len < CO__IO_MAX ? len : CO__IO_MAX;
    if ((len && !buffer) || (addr && !addr_len) ||
        apply_flags(&m, CO_READABLE, flags, m.len) < 0)
        return -EINVAL;
    return co__io(&m.op, &kind_recvfrom, CO_READABLE);
}

ssize_t co_sendto(int fd, const void *data, size_t len, int flags,
                  const struct sockaddr *addr, socklen_t addr_len)
{
    struct msg_op m = {.op = {.fd = fd, .mode = mode_towards(addr, addr_len)},
                       .data = (void *)data,
                       .addr = (struct sockaddr *)addr,
                       .addr_size = addr_len};

    m.len = len < CO__IO_MAX ? len : CO__IO_MAX;
    if ((len && !data) || (addr_len && !addr) ||
        apply_flags(&m, CO_WRITABLE, flags, m.len) < 0)
        return -EINVAL;
    return co__io(&m.op, &kind_sendto, CO_WRITABLE);
}

/* The bytes that a message has room for; 0, or -EINVAL. What the kernel
 * refuses by itself is left to it. */
static int message_length(const struct msghdr *message, size_t *total)
{
    size_t sum = 0, count;

    *total = 0;
    if (!message || (message->msg_iovlen && !message->msg_iov))
        return -EINVAL;
    count = (size_t)message->msg_iovlen; /* some have an int */
    if (count > IOV_MAX)
        return 0;
    for (size_t i = 0; i < count; i++) {
        const struct iovec *iov = &message->msg_iov[i];

        if (iov->iov_len && !iov->iov_base)
            return -EINVAL;
        if (__builtin_add_overflow(sum, iov->iov_len, &sum))
            return 0;
    }
    *total = sum < CO__IO_MAX ? sum : CO__IO_MAX;
    return 0;
}

ssize_t co_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct msg_op m = {.op = {.fd = fd}, .message = message};
    size_t len;

    if (message_length(message, &len) < 0 ||
        apply_flags(&m, CO_READABLE, flags, len) < 0)
        return -EINVAL;
    return co__io(&m.op, &kind_recvmsg, CO_READABLE);
}

ssize_t co_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct msg_op m = {.op = {.fd = fd}, .message = (struct msghdr *)message};
    size_t len;

    if (message_length(message, &len) < 0 ||
        apply_flags(&m, CO_WRITABLE, flags, len) < 0)
        return -EINVAL;
    m.op.mode |= mode_towards(message->msg_name, message->msg_namelen);
    return co__io(&m.op, &kind_sendmsg, CO_WRITABLE);
}
