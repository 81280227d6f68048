/* SPDX-License-Identifier: MIT */
/*
 * Commands on the ring: an entry each, filled in at once, submitted with the
 * turn's system call. See core/command.h; its table is the entry's layout.
 */
#include "core/command.h"
#include "poll/epoll.h"
#include "poll/uring.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t opcodes[CO__DO_COUNT] = {
    [CO__DO_READ] = IORING_OP_READ,       [CO__DO_WRITE] = IORING_OP_WRITE,
    [CO__DO_READV] = IORING_OP_READV,     [CO__DO_WRITEV] = IORING_OP_WRITEV,
    [CO__DO_FSYNC] = IORING_OP_FSYNC,     [CO__DO_OPENAT] = IORING_OP_OPENAT,
    [CO__DO_STATX] = IORING_OP_STATX,     [CO__DO_CLOSE] = IORING_OP_CLOSE,
    [CO__DO_RECV] = IORING_OP_RECV,       [CO__DO_SEND] = IORING_OP_SEND,
    [CO__DO_RECVMSG] = IORING_OP_RECVMSG, [CO__DO_SENDMSG] = IORING_OP_SENDMSG,
    [CO__DO_ACCEPT] = IORING_OP_ACCEPT,   [CO__DO_CONNECT] = IORING_OP_CONNECT,
    [CO__DO_POLL] = IORING_OP_POLL_ADD,
};

#define BIT(code) (UINT64_C(1) << (code))
#define NEEDED                                                                 \
    (BIT(CO__DO_RECV) | BIT(CO__DO_SEND) | BIT(CO__DO_RECVMSG) |               \
     BIT(CO__DO_SENDMSG) | BIT(CO__DO_ACCEPT) | BIT(CO__DO_CONNECT) |          \
     BIT(CO__DO_POLL))

_Static_assert(IORING_FSYNC_DATASYNC == CO__DATA_ONLY, "flags are passed on");

uint64_t co__uring_commands(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    uint64_t can = 0;

    for (unsigned i = 0; probe && i < CO__DO_COUNT; i++)
        if (io_uring_opcode_supported(probe, opcodes[i]))
            can |= BIT(i);
    io_uring_free_probe(probe);
    return (can & NEEDED) == NEEDED ? can : 0;
}

static uint8_t flags_of(const struct co__command *command)
{
    return (command->hint & CO__HINT_BLOCKS ? IOSQE_ASYNC : 0) |
           (command->hint & CO__HINT_LENT ? IOSQE_BUFFER_SELECT : 0);
}

static uint16_t priority_of(const struct co__command *command)
{
    return command->hint & CO__HINT_MULTI ? IORING_ACCEPT_MULTISHOT : 0;
}

static uint32_t events_of(uint32_t mask)
{
    return (mask & CO__POLL_IN ? POLLIN | POLLRDHUP : 0u) |
           (mask & CO__POLL_OUT ? POLLOUT : 0u);
}

int co__uring_submit(struct co__poller *poller, struct co__command *command)
{
    struct io_uring_sqe *sqe;
    int r;

    if (CO_UNLIKELY(!(poller->can & BIT(command->code))))
        return -EOPNOTSUPP;
    if (command->hint & CO__HINT_LENT && (r = co__uring_lend(poller)) < 0)
        return r;
    sqe = co__uring_sqe(poller);
    if (CO_UNLIKELY(!sqe)) {
        if (command->hint & CO__HINT_LENT)
            co__uring_lent_back(poller, command, 0, 0);
        return -ENOMEM;
    }
    memset(sqe, 0, sizeof(*sqe));
    sqe->opcode = opcodes[command->code];
    sqe->flags = flags_of(command);
    sqe->ioprio = priority_of(command);
    sqe->fd = command->fd;
    sqe->off = command->offset;
    sqe->addr = command->hint & CO__HINT_LENT ? 0 : (uintptr_t)command->data;
    sqe->len = command->len;
    sqe->rw_flags = (int)command->options;
    if (CO_UNLIKELY(command->code == CO__DO_POLL))
        sqe->poll32_events =
            __io_uring_prep_poll_mask(events_of(command->options));
    else if (CO_UNLIKELY(command->code == CO__DO_ACCEPT))
        sqe->accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    sqe->user_data = (uintptr_t)command;
    command->over = 0;
    command->cancelled = 0;
    poller->commands++;
    return 0;
}

/*
 * A cancel interrupts the thread of the kernel's that has the command, and so
 * does a signal to the process that the kernel deals with, to stop and to go
 * on. What the interrupted call says then includes codes that no system call
 * returns: such as ERESTARTSYS, the first of five (include/linux/errno.h of the
 * kernel).
 */
#define RESTART_FIRST 512
#define RESTART_LAST  516

static int was_interrupted(int result)
{
    return result == -EINTR ||
           (result <= -RESTART_FIRST && result >= -RESTART_LAST);
}

/* What was interrupted has had no effect. Without a cancel it is begun again,
 * as the kernel does with a system call: 0 if it goes on. */
static int interrupted(struct co__poller *poller, struct co__command *command)
{
    if (command->cancelled)
        return -ECANCELED;
    if (command->hint & CO__HINT_BOUND &&
        co__fd_lapsed(command->fd, command->gen))
        return -EBADF;
    return co__uring_submit(poller, command);
}

void co__uring_command_ended(struct co__poller *poller, uint64_t data,
                             int result, unsigned flags)
{
    struct co__command *command = co__uring_command_of(data);
    unsigned end = 0;

    if (flags & IORING_CQE_F_MORE) {
        end |= CO__END_MORE;
    } else {
        command->over = 1;
        poller->commands--;
    }
    if (command->hint & CO__HINT_LENT)
        co__uring_lent_back(poller, command, result, flags);
    if (CO_UNLIKELY(was_interrupted(result))) {
        result = interrupted(poller, command);
        if (result == 0)
            return;
    }
    if (CO_UNLIKELY(command->code == CO__DO_POLL) && result >= 0)
        result = (int)co__epoll_mask((uint32_t)result);
    command->done(command, result, end);
}

void co__uring_cancel(struct co__poller *poller, struct co__command *command)
{
    struct io_uring_sqe *sqe = co__uring_sqe(poller);

    command->cancelled = 1;
    if (!sqe)
        return; /* then it ends when it ends */
    io_uring_prep_cancel64(sqe, (uintptr_t)command, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = CO__URING_NOTHING;
}

void co__uring_forget(struct co__poller *poller, struct co__command *command)
{
    co__uring_cancel(poller, command);
    while (!command->over)
        co__uring_reap(poller, 1);
}
