/* SPDX-License-Identifier: MIT */
/*
 * Files. A call describes what is to be done as a command, see core/command.h,
 * on its own stack. A backend that carries commands out gets it; otherwise a
 * thread of the pool makes the system call that is the same, and blocks;
 * outside a task that is our own thread. Both ways the call does not return
 * while another has the command: that is the whole rule about the caller's
 * memory.
 *
 * What the kernel does otherwise for a command than for the system call is put
 * right here, so that nobody can tell which way a call has gone:
 *  - a read or a write of a pipe, a socket or a terminal would be done without
 *    an offset, where pread says -ESPIPE. So lseek is asked, and the answer is
 *    kept in the descriptor's slot: a system call is a quarter of what a read
 *    costs. If the number was closed behind our back, and is a pipe's by now,
 *    the read is the pipe's;
 *  - opening a FIFO would be tried with O_NONBLOCK first, and succeed: hence
 *    CO__HINT_BLOCKS, unless the flags say that no FIFO is meant.
 */
#include <coppice/file.h>

#include "core/command.h"
#include "io/io.h"
#include "io/sys.h"
#include "offload/offload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "files may be longer than 2 GiB");

/* ---- the system calls, on whatever thread -------------------------------- */

/* A transfer is at most CO__IO_MAX: its count is an int. */
static int result_of(ssize_t n)
{
    return n < 0 ? -errno : (int)n;
}

static int do_open(void *arg)
{
    const struct co__command *c = arg;
    int fd;

    do
        fd = openat(c->fd, c->data, (int)c->options, (mode_t)c->len);
    while (fd < 0 && errno == EINTR);
    return result_of(fd);
}

static int do_read(void *arg)
{
    const struct co__command *c = arg;
    ssize_t n;

    do
        n = pread(c->fd, c->data, c->len, (off_t)c->offset);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

static int do_write(void *arg)
{
    const struct co__command *c = arg;
    ssize_t n;

    do
        n = pwrite(c->fd, c->data, c->len, (off_t)c->offset);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

static int do_readv(void *arg)
{
    const struct co__command *c = arg;
    ssize_t n;

    do
        n = preadv(c->fd, c->data, (int)c->len, (off_t)c->offset);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

static int do_writev(void *arg)
{
    const struct co__command *c = arg;
    ssize_t n;

    do
        n = pwritev(c->fd, c->data, (int)c->len, (off_t)c->offset);
    while (n < 0 && errno == EINTR);
    return result_of(n);
}

static int do_sync(void *arg)
{
    const struct co__command *c = arg;
    int r;

    do
        r = co__sys_fsync(c->fd, c->options & CO__DATA_ONLY);
    while (r == -EINTR);
    return r;
}

static int do_stat(void *arg)
{
    const struct co__command *c = arg;

    return result_of(fstat(c->fd, c->data));
}

static int do_truncate(void *arg)
{
    const struct co__command *c = arg;
    int r;

    do
        r = ftruncate(c->fd, (off_t)c->offset);
    while (r < 0 && errno == EINTR);
    return result_of(r);
}

/* Interrupted, it is closed nevertheless. */
static int do_close(void *arg)
{
    struct co__command *c = arg;

    c->over = 1;
    return close(c->fd) < 0 && errno != EINTR ? -errno : 0;
}

/* ---- whose turn it is ---------------------------------------------------- */

static int offload(co_offload_fn fn, struct co__command *command)
{
    return co__offload_in(CO_LANE_DEFAULT, fn, command, CO__WAIT_FILE);
}

/* What a task begins with before it gives its loop's backend a command: 1; 0:
 * it is not for the backend; or why the call fails. */
static int native(struct co__here *here)
{
    int r;

    if (!co__here(here) || !co__commands(here->loop))
        return 0;
    if (here->task->flags & CO__FLAG_CALLBACK)
        return -EPERM;
    r = co__enter(here->loop, here->task);
    return r < 0 ? r : 1;
}

/* Have it done, and wait. */
static int carry_out(co_offload_fn fn, struct co__command *command)
{
    struct co__here here;
    int r = native(&here);

    if (r < 0)
        return r;
    if (r) {
        r = co__command_run(&here, command, CO__WAIT_FILE);
        if (command->over || r != -EOPNOTSUPP)
            return r;
    }
    return offload(fn, command);
}

/* ---- opening and closing ------------------------------------------------- */

int co_file_open(const char *path, int flags, mode_t mode)
{
    struct co__command command = {
        .code = CO__DO_OPENAT,
        .hint = flags & (O_NONBLOCK | O_DIRECTORY) ? 0 : CO__HINT_BLOCKS,
        .fd = AT_FDCWD,
        .data = (void *)path,
        .len = mode,
        .options = (uint32_t)(flags | O_CLOEXEC),
    };

    return path ? carry_out(do_open, &command) : -EINVAL;
}

/* What was closed half way cannot be closed later: no limit applies, and where
 * there is no thread, or nothing may suspend, we close it here. */
int co_file_close(int fd)
{
    struct co__command command = {.code = CO__DO_CLOSE, .fd = fd};
    int r;

    CO_SHIELD;

    if (fd < 0)
        return -EBADF;
    r = co__fd_disown(fd);
    if (r < 0)
        return r;
    r = carry_out(do_close, &command);
    return command.over ? r : do_close(&command);
}

/* ---- transfers ----------------------------------------------------------- */

/* What is wrong with the place of a transfer: 0, or an error. */
static int check(int fd, off_t offset)
{
    if (fd < 0)
        return -EBADF;
    return offset < 0 ? -EINVAL : 0;
}

/* 0 if the descriptor has offsets, or an error. */
static int seek(struct co_loop *loop, int fd)
{
    struct co__fd_slot *slot = co__fd_find(loop, fd);

    if (CO_LIKELY(slot && slot->flags & CO__FD_SEEKS && co__fd_current(slot)))
        return 0;
    if (lseek(fd, 0, SEEK_CUR) < 0)
        return -errno;
    if (co__fd_slot(loop, fd, &slot) == 0)
        slot->flags |= CO__FD_SEEKS;
    return 0;
}

static int transfer(co_offload_fn fn, struct co__command *command)
{
    int r = 0;

    if (co__loop && co__commands(co__loop))
        r = seek(co__loop, command->fd);
    return r < 0 ? r : carry_out(fn, command);
}

static ssize_t transfer_buffer(enum co__command_code code, co_offload_fn fn,
                               int fd, void *data, size_t len, off_t offset)
{
    struct co__command command = {
        .code = (uint8_t)code,
        .fd = fd,
        .data = data,
        .len = (uint32_t)(len < CO__IO_MAX ? len : CO__IO_MAX),
        .offset = (uint64_t)offset,
    };
    int r = check(fd, offset);

    if (r == 0 && len && !data)
        r = -EINVAL;
    return r < 0 ? r : transfer(fn, &command);
}

ssize_t co_file_read_at(int fd, void *buffer, size_t len, off_t offset)
{
    return transfer_buffer(CO__DO_READ, do_read, fd, buffer, len, offset);
}

ssize_t co_file_write_at(int fd, const void *data, size_t len, off_t offset)
{
    return transfer_buffer(CO__DO_WRITE, do_write, fd, (void *)data, len,
                           offset);
}

static ssize_t transfer_vector(enum co__command_code code, co_offload_fn fn,
                               int fd, const struct iovec *iov, int iov_count,
                               off_t offset)
{
    struct co__command command = {
        .code = (uint8_t)code,
        .fd = fd,
        .data = (void *)iov,
        .len = (uint32_t)iov_count,
        .offset = (uint64_t)offset,
    };
    size_t total;
    int r = check(fd, offset);

    if (r == 0)
        r = co__io_vector_length(iov, iov_count, &total);
    return r < 0 ? r : transfer(fn, &command);
}

ssize_t co_file_readv_at(int fd, const struct iovec *iov, int iov_count,
                         off_t offset)
{
    return transfer_vector(CO__DO_READV, do_readv, fd, iov, iov_count, offset);
}

ssize_t co_file_writev_at(int fd, const struct iovec *iov, int iov_count,
                          off_t offset)
{
    return transfer_vector(CO__DO_WRITEV, do_writev, fd, iov, iov_count,
                           offset);
}

/* ---- the rest ------------------------------------------------------------ */

int co_file_sync(int fd, int what)
{
    struct co__command command = {
        .code = CO__DO_FSYNC,
        .fd = fd,
        .options = what & CO_FILE_SYNC_DATA ? CO__DATA_ONLY : 0,
    };

    if (fd < 0)
        return -EBADF;
    return what & ~CO_FILE_SYNC_DATA ? -EINVAL : carry_out(do_sync, &command);
}

int co_file_stat(int fd, struct stat *out)
{
    struct co__command command = {.fd = fd, .data = out};
    struct co__here here;
    int r;

    if (fd < 0)
        return -EBADF;
    if (!out)
        return -EINVAL;
    r = native(&here);
    if (r < 0)
        return r;
    r = r ? co__sys_fstat_command(&here, fd, out) : -EOPNOTSUPP;
    return r == -EOPNOTSUPP ? offload(do_stat, &command) : r;
}

/* No backend has a command for it. */
int co_file_truncate(int fd, off_t length)
{
    struct co__command command = {.fd = fd, .offset = (uint64_t)length};
    int r = check(fd, length);

    return r < 0 ? r : offload(do_truncate, &command);
}
