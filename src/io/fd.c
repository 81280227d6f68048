/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing any descriptor.
 *
 * How one is tried without waiting:
 *  - sockets, whoever owns them: recv and send with MSG_DONTWAIT;
 *  - own pipes, terminals and the like: plain read and write, since O_NONBLOCK
 *    is set;
 *  - foreign ones: preadv2 and pwritev2 with RWF_NOWAIT, and where that is not
 *    to be had poll(2) first, and then the plain call, with no more bytes than
 *    are sure not to block after poll(2) said "writable"; a terminal is written
 *    to through a second, non-blocking opening of it, since of a terminal
 *    nothing is sure;
 *  - files: the plain call. They are always ready; RWF_NOWAIT just says that
 *    the page is not in memory.
 * Whether a foreign descriptor is a socket is found out at each call: nobody
 * would tell us that its number had been closed and reused.
 */
#include <coppice/fd.h>

#include "core/command.h"
#include "io/io.h"
#include "io/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bytes that a terminal takes after poll(2) said that it would: its buffers
 * grow by 256. Not if it makes two of a newline, hence co__sys_reopen_tty. */
#define TTY_WRITE_SURE 128

struct rw_op {
    struct co__op op; /* first: what the mechanism knows */
    void *data;
    size_t len;
};

struct rwv_op {
    struct co__op op; /* first */
    struct msghdr message;
};

/* ---- descriptors that are neither ours nor sockets ----------------------- */

static ssize_t plain_readv(int fd, const struct iovec *iov, int count)
{
    ssize_t n;

    do
        n = readv(fd, iov, count);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t plain_writev(int fd, const struct iovec *iov, int count)
{
    ssize_t n;

    do
        n = writev(fd, iov, count);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Always ready: files, and what has no notion of readiness. */
static int is_file(int fd, mode_t *mode)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return 0;
    *mode = st.st_mode;
    return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode);
}

/* Bytes that are sure not to block after poll(2) said "writable". */
static size_t write_sure(int fd, mode_t mode)
{
    if (S_ISFIFO(mode))
        return PIPE_BUF;
    return S_ISCHR(mode) && isatty(fd) ? TTY_WRITE_SURE : SIZE_MAX;
}

/* What a try says if poll(2) says "not ready": it says that of the wrong end of
 * a pipe, too, for ever. */
static ssize_t not_ready(int fd, int wrong_mode)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    return (flags & O_ACCMODE) == wrong_mode ? -EBADF : -EAGAIN;
}

/* So many of the buffers, from the first on, are not more bytes than `sure`. */
static int count_sure(const struct iovec *iov, int count, size_t sure)
{
    int n = 0;

    while (n < count && iov[n].iov_len <= sure)
        sure -= iov[n++].iov_len;
    return n;
}

/* The plain calls, without blocking. */
static ssize_t poll_and_read(int fd, const struct iovec *iov, int count)
{
    mode_t mode;
    int r = is_file(fd, &mode) ? 1 : co__fd_poll(fd, CO_READABLE);

    if (r <= 0)
        return r < 0 ? r : not_ready(fd, O_WRONLY);
    return plain_readv(fd, iov, count);
}

static ssize_t poll_and_write(int fd, const struct iovec *iov, int count)
{
    struct iovec part;
    size_t sure;
    mode_t mode = 0;
    ssize_t n;
    int r = is_file(fd, &mode) ? 1 : co__fd_poll(fd, CO_WRITABLE);

    if (r <= 0)
        return r < 0 ? r : not_ready(fd, O_RDONLY);
    if (S_ISCHR(mode) && (r = co__sys_reopen_tty(fd)) >= 0) {
        n = plain_writev(r, iov, count);
        close(r);
        return n;
    }
    sure = write_sure(fd, mode);
    while (count && !iov->iov_len)
        iov++, count--;
    if (!count || iov->iov_len <= sure)
        return plain_writev(fd, iov, count_sure(iov, count, sure));
    part = *iov;
    part.iov_len = sure;
    return plain_writev(fd, &part, 1);
}

static CO_NOINLINE ssize_t foreign_readv(int fd, const struct iovec *iov,
                                         int count)
{
    mode_t mode;
    ssize_t n;

    do
        n = co__sys_readv_now(fd, iov, count);
    while (n == -EINTR);
    if (n == -EAGAIN && is_file(fd, &mode))
        return plain_readv(fd, iov, count);
    if (n == -EOPNOTSUPP)
        return poll_and_read(fd, iov, count);
    return n;
}

static ssize_t foreign_writev_loud(int fd, const struct iovec *iov, int count)
{
    mode_t mode;
    ssize_t n;

    do
        n = co__sys_writev_now(fd, iov, count);
    while (n == -EINTR);
    if (n == -EAGAIN && is_file(fd, &mode))
        return plain_writev(fd, iov, count);
    if (n == -EOPNOTSUPP)
        return poll_and_write(fd, iov, count);
    return n;
}

/* A running loop blocks SIGPIPE in its thread. */
static CO_NOINLINE ssize_t foreign_writev(int fd, const struct iovec *iov,
                                          int count)
{
    return co__sys_writev_quiet(fd, iov, count, co__loop != NULL,
                                foreign_writev_loud);
}

/* ---- one try ------------------------------------------------------------- */

CO_INLINE ssize_t try_read(struct co__op *op, unsigned care)
{
    struct rw_op *rw = (struct rw_op *)op;
    struct iovec iov;
    ssize_t n;

    for (;;) {
        if (care & CO__FD_OWN && !(care & CO__FD_SOCKET))
            n = read(op->fd, rw->data, rw->len);
        else
            n = recv(op->fd, rw->data, rw->len, MSG_DONTWAIT);
        if (CO_LIKELY(n >= 0))
            return n;
        if (errno != EINTR)
            break;
    }
    if (CO_LIKELY(errno != ENOTSOCK))
        return -errno;
    iov.iov_base = rw->data;
    iov.iov_len = rw->len;
    return foreign_readv(op->fd, &iov, 1);
}

CO_INLINE ssize_t try_write(struct co__op *op, unsigned care)
{
    struct rw_op *rw = (struct rw_op *)op;
    int restore = co__send_begin(op, care);
    struct iovec iov;
    ssize_t n = restore;

    while (CO_LIKELY(restore >= 0)) {
        if (care & CO__FD_OWN && !(care & CO__FD_SOCKET))
            n = write(op->fd, rw->data, rw->len);
        else
            n = send(op->fd, rw->data, rw->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (CO_LIKELY(n >= 0) || errno != EINTR)
            break;
    }
    co__send_end(op, restore);
    if (CO_LIKELY(n >= 0))
        return n;
    if (CO_LIKELY(errno != ENOTSOCK))
        return -errno;
    iov.iov_base = rw->data;
    iov.iov_len = rw->len;
    return foreign_writev(op->fd, &iov, 1);
}

static ssize_t try_readv(struct co__op *op, unsigned care)
{
    struct rwv_op *rw = (struct rwv_op *)op;
    const struct iovec *iov = rw->message.msg_iov;
    int count = (int)rw->message.msg_iovlen;
    ssize_t n;

    if (care & CO__FD_OWN && !(care & CO__FD_SOCKET))
        return plain_readv(op->fd, iov, count);
    do
        n = recvmsg(op->fd, &rw->message, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno != ENOTSOCK)
        return -errno;
    return foreign_readv(op->fd, iov, count);
}

static ssize_t try_writev(struct co__op *op, unsigned care)
{
    struct rwv_op *rw = (struct rwv_op *)op;
    const struct iovec *iov = rw->message.msg_iov;
    int count = (int)rw->message.msg_iovlen;
    int restore;
    ssize_t n;

    if (care & CO__FD_OWN && !(care & CO__FD_SOCKET))
        return plain_writev(op->fd, iov, count);
    n = restore = co__send_begin(op, care);
    while (restore >= 0) {
        n = sendmsg(op->fd, &rw->message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0 || errno != EINTR)
            break;
    }
    co__send_end(op, restore);
    if (n >= 0)
        return n;
    if (errno != ENOTSOCK)
        return -errno;
    return foreign_writev(op->fd, iov, count);
}

/* ---- as commands --------------------------------------------------------- */

static void describe(const struct co__op *op, struct co__command *command)
{
    const struct rw_op *rw = (const struct rw_op *)op;

    command->data = rw->data;
    command->len = (uint32_t)rw->len;
}

static void describe_read(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_RECV;
    describe(op, command);
}

static void describe_receive(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_RECV;
    command->hint |= CO__HINT_LENT;
    command->data = ((struct rw_op *)op)->data;
    command->len = CO__LENT_BYTES;
}

static void describe_write(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_SEND;
    command->options = MSG_NOSIGNAL;
    describe(op, command);
}

static void describe_readv(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_RECVMSG;
    command->data = &((struct rwv_op *)op)->message;
    command->len = 1;
}

static void describe_writev(struct co__op *op, struct co__command *command)
{
    command->code = CO__DO_SENDMSG;
    command->data = &((struct rwv_op *)op)->message;
    command->len = 1;
    command->options = MSG_NOSIGNAL;
}

static const struct co__op_kind kind_read = {try_read, describe_read},
                                kind_receive = {NULL, describe_receive},
                                kind_write = {try_write, describe_write},
                                kind_readv = {try_readv, describe_readv},
                                kind_writev = {try_writev, describe_writev};

/* ---- the calls ----------------------------------------------------------- */

/* Reading nothing does not wait and takes nothing, not even a datagram. */
static CO_COLD ssize_t read_nothing(int fd, void *buffer)
{
    int r = co__io_enter();
    char unused;

    if (r < 0)
        return r;
    return read(fd, buffer ? buffer : &unused, 0) < 0 ? -errno : 0;
}

ssize_t co_read(int fd, void *buffer, size_t len)
{
    struct rw_op rw = {.op = {.fd = fd}, .data = buffer};

    if (CO_UNLIKELY(!len))
        return read_nothing(fd, buffer);
    if (CO_UNLIKELY(!buffer))
        return -EINVAL;
    rw.op.want = rw.len = len < CO__IO_MAX ? len : CO__IO_MAX;
    return co__io(&rw.op, &kind_read, CO_READABLE);
}

ssize_t co_write(int fd, const void *data, size_t len)
{
    struct rw_op rw = {.op = {.fd = fd}, .data = (void *)data};

    if (CO_UNLIKELY(len && !data))
        return -EINVAL;
    rw.op.want = rw.len = len < CO__IO_MAX ? len : CO__IO_MAX;
    return co__io(&rw.op, &kind_write, CO_WRITABLE);
}

static ssize_t try_now(const struct co__op_kind *kind, int direction, int fd,
                       void *data, size_t len)
{
    struct rw_op rw = {.op = {.kind = kind,
                              .fd = fd,
                              .direction = direction,
                              .mode = CO__OP_NOWAIT},
                       .data = data};
    struct co__here here;

    rw.op.want = rw.len = len < CO__IO_MAX ? len : CO__IO_MAX;
    return co__here(&here) ? co__io_wait(&here, &rw.op) : co__io_block(&rw.op);
}

ssize_t co__fd_try_read(int fd, void *buffer, size_t len)
{
    return try_now(&kind_read, CO_READABLE, fd, buffer, len);
}

ssize_t co__fd_try_write(int fd, const void *data, size_t len)
{
    return try_now(&kind_write, CO_WRITABLE, fd, (void *)data, len);
}

ssize_t co__fd_receive(int fd, void **buffer)
{
    struct rw_op rw = {
        .op = {.kind = &kind_receive, .fd = fd, .direction = CO_READABLE},
        .data = buffer};

    return co__io_by_command(&rw.op);
}

int co__io_vector_sum(const struct iovec *iov, int count, size_t *sum)
{
    *sum = 0;
    if (count < 0 || count > IOV_MAX || (count && !iov))
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len && !iov[i].iov_base)
            return -EINVAL;
        if (__builtin_add_overflow(*sum, iov[i].iov_len, sum) ||
            *sum > SSIZE_MAX)
            return -EINVAL;
    }
    return 0;
}

int co__io_vector_length(const struct iovec *iov, int count, size_t *total)
{
    int r = co__io_vector_sum(iov, count, total);

    if (r == 0 && *total > CO__IO_MAX)
        *total = CO__IO_MAX;
    return r;
}

ssize_t co_readv(int fd, const struct iovec *iov, int iov_count)
{
    struct rwv_op rw = {.op = {.fd = fd},
                        .message = {.msg_iov = (struct iovec *)iov,
                                    .msg_iovlen = (size_t)iov_count}};
    int r = co__io_vector_length(iov, iov_count, &rw.op.want);

    if (r < 0)
        return r;
    if (!rw.op.want)
        return read_nothing(fd, NULL);
    return co__io(&rw.op, &kind_readv, CO_READABLE);
}

ssize_t co_writev(int fd, const struct iovec *iov, int iov_count)
{
    struct rwv_op rw = {.op = {.fd = fd},
                        .message = {.msg_iov = (struct iovec *)iov,
                                    .msg_iovlen = (size_t)iov_count}};
    int r = co__io_vector_length(iov, iov_count, &rw.op.want);

    if (r < 0)
        return r;
    return co__io(&rw.op, &kind_writev, CO_WRITABLE);
}

int co_read_full(int fd, void *buffer, size_t len, size_t *done)
{
    size_t count = 0;
    ssize_t n = fd < 0 ? -EBADF : len && !buffer ? -EINVAL : 0;

    while (n >= 0 && count < len) {
        n = co_read(fd, (char *)buffer + count, len - count);
        if (n > 0)
            count += (size_t)n;
        else if (n == 0)
            n = -ENODATA;
    }
    if (done)
        *done = count;
    return n < 0 ? (int)n : 0;
}

int co_write_all(int fd, const void *data, size_t len, size_t *done)
{
    size_t count = 0;
    ssize_t n = fd < 0 ? -EBADF : len && !data ? -EINVAL : 0;

    while (n >= 0 && count < len) {
        n = co_write(fd, (const char *)data + count, len - count);
        if (n > 0)
            count += (size_t)n;
        else if (n == 0)
            n = -EIO; /* a device that takes nothing and says nothing */
    }
    if (done)
        *done = count;
    return n < 0 ? (int)n : 0;
}
