/* SPDX-License-Identifier: MIT */
/*
 * Files. Each call is one operation, described on the caller's stack: a
 * function that makes the system call and blocks, and what it needs. In a task
 * a thread of the pool calls it, and elsewhere we do. So there is one place
 * that knows what a call is and what its result means, whoever makes it.
 *
 * co__offload_wait does not return while a thread has the operation. That is
 * the whole rule about the caller's memory.
 *
 * Why not RWF_NOWAIT first, and the pool only if the page is not in memory: it
 * copies on this thread all the same, and for a file that is not cached it is
 * one system call more for each transfer.
 */
#include <coppice/file.h>

#include "core/sched.h"
#include "io/io.h"
#include "io/sys.h"
#include "offload/offload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "files may be longer than 2 GiB");

/* What an operation's function is given; each uses what it needs. */
struct file_op {
    int fd;
    int flags;
    mode_t mode;
    const char *path;
    void *data;
    size_t len;
    const struct iovec *iov;
    int iov_count;
    off_t offset; /* or length */
    struct stat *stat;
};

/* ---- the operations, on whatever thread ---------------------------------- */

/* A transfer is at most CO__IO_MAX: its count is an int. */
static int done(ssize_t n)
{
    return n < 0 ? -errno : (int)n;
}

static int do_open(void *arg)
{
    const struct file_op *op = arg;
    int fd;

    do
        fd = open(op->path, op->flags | O_CLOEXEC, op->mode);
    while (fd < 0 && errno == EINTR);
    return done(fd);
}

static int do_read(void *arg)
{
    const struct file_op *op = arg;
    ssize_t n;

    do
        n = pread(op->fd, op->data, op->len, op->offset);
    while (n < 0 && errno == EINTR);
    return done(n);
}

static int do_write(void *arg)
{
    const struct file_op *op = arg;
    ssize_t n;

    do
        n = pwrite(op->fd, op->data, op->len, op->offset);
    while (n < 0 && errno == EINTR);
    return done(n);
}

static int do_readv(void *arg)
{
    const struct file_op *op = arg;
    ssize_t n;

    do
        n = preadv(op->fd, op->iov, op->iov_count, op->offset);
    while (n < 0 && errno == EINTR);
    return done(n);
}

static int do_writev(void *arg)
{
    const struct file_op *op = arg;
    ssize_t n;

    do
        n = pwritev(op->fd, op->iov, op->iov_count, op->offset);
    while (n < 0 && errno == EINTR);
    return done(n);
}

static int do_sync(void *arg)
{
    const struct file_op *op = arg;
    int r;

    do
        r = co__sys_fsync(op->fd, op->flags & CO_FILE_SYNC_DATA);
    while (r == -EINTR);
    return r;
}

static int do_stat(void *arg)
{
    const struct file_op *op = arg;

    return done(fstat(op->fd, op->stat));
}

static int do_truncate(void *arg)
{
    const struct file_op *op = arg;
    int r;

    do
        r = ftruncate(op->fd, op->offset);
    while (r < 0 && errno == EINTR);
    return done(r);
}

/* Interrupted, it is closed nevertheless. */
static int do_close(void *arg)
{
    struct file_op *op = arg;
    int r = close(op->fd) < 0 && errno != EINTR ? -errno : 0;

    op->fd = -1;
    return r;
}

/* ---- the calls ----------------------------------------------------------- */

static int run(co_offload_fn fn, struct file_op *op)
{
    return co_offload_in(CO_LANE_DEFAULT, fn, op);
}

int co_file_open(const char *path, int flags, mode_t mode)
{
    struct file_op op = {.path = path, .flags = flags, .mode = mode};

    return path ? run(do_open, &op) : -EINVAL;
}

/* What was closed half way cannot be closed later: no limit applies, and where
 * there is no thread, or nothing may suspend, we close it here. */
int co_file_close(int fd)
{
    struct file_op op = {.fd = fd};
    int r;

    CO_SHIELD;

    if (fd < 0)
        return -EBADF;
    r = co__fd_disown(fd);
    if (r < 0)
        return r;
    r = run(do_close, &op);
    return op.fd < 0 ? r : do_close(&op);
}

/* What is wrong with the place of a transfer: 0, or an error. */
static int check(int fd, off_t offset)
{
    if (fd < 0)
        return -EBADF;
    return offset < 0 ? -EINVAL : 0;
}

static ssize_t transfer(co_offload_fn fn, int fd, void *data, size_t len,
                        off_t offset)
{
    struct file_op op = {.fd = fd, .data = data, .offset = offset};
    int r = check(fd, offset);

    if (r == 0 && len && !data)
        r = -EINVAL;
    if (r < 0)
        return r;
    op.len = len < CO__IO_MAX ? len : CO__IO_MAX;
    return run(fn, &op);
}

ssize_t co_file_read_at(int fd, void *buffer, size_t len, off_t offset)
{
    return transfer(do_read, fd, buffer, len, offset);
}

ssize_t co_file_write_at(int fd, const void *data, size_t len, off_t offset)
{
    return transfer(do_write, fd, (void *)data, len, offset);
}

static ssize_t transfer_vector(co_offload_fn fn, int fd,
                               const struct iovec *iov, int iov_count,
                               off_t offset)
{
    struct file_op op = {
        .fd = fd, .iov = iov, .iov_count = iov_count, .offset = offset};
    int r = check(fd, offset);

    if (r == 0)
        r = co__io_vector_length(iov, iov_count, &op.len);
    return r < 0 ? r : run(fn, &op);
}

ssize_t co_file_readv_at(int fd, const struct iovec *iov, int iov_count,
                         off_t offset)
{
    return transfer_vector(do_readv, fd, iov, iov_count, offset);
}

ssize_t co_file_writev_at(int fd, const struct iovec *iov, int iov_count,
                          off_t offset)
{
    return transfer_vector(do_writev, fd, iov, iov_count, offset);
}

int co_file_sync(int fd, int what)
{
    struct file_op op = {.fd = fd, .flags = what};

    if (fd < 0)
        return -EBADF;
    return what & ~CO_FILE_SYNC_DATA ? -EINVAL : run(do_sync, &op);
}

int co_file_stat(int fd, struct stat *out)
{
    struct file_op op = {.fd = fd, .stat = out};

    if (fd < 0)
        return -EBADF;
    return out ? run(do_stat, &op) : -EINVAL;
}

int co_file_truncate(int fd, off_t length)
{
    struct file_op op = {.fd = fd, .offset = length};
    int r = check(fd, length);

    return r < 0 ? r : run(do_truncate, &op);
}
