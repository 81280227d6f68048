/* SPDX-License-Identifier: MIT */
/* Making, closing and freeing streams; a descriptor behind one. */
#include "io/stream.h"

#include <coppice/fd.h>

#include "base/alloc.h"
#include "io/buffer.h"
#include "io/io.h"
#include "io/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define BUFFER_MAX_DEFAULT ((size_t)64 * 1024)

/* ---- a descriptor -------------------------------------------------------- */

/* The number itself is what the operations get: one load less. */
static void *arg_of(int fd)
{
    return (void *)(intptr_t)fd;
}

static int fd_of(const void *arg)
{
    return (int)(intptr_t)arg;
}

static int wait_readable(void *arg)
{
    int r = co_wait_fd(fd_of(arg), CO_READABLE);

    /* What cannot be waited for can be read. */
    return r < 0 && r != -EAGAIN ? r : 0;
}

static ssize_t try_read_fd(void *arg, void *buffer, size_t len)
{
    return co__fd_try_read(fd_of(arg), buffer, len);
}

static ssize_t read_fd(void *arg, void *buffer, size_t len)
{
    return co_read(fd_of(arg), buffer, len);
}

static ssize_t writev_fd(void *arg, const struct iovec *iov, int iov_count)
{
    if (iov_count == 1)
        return co_write(fd_of(arg), iov->iov_base, iov->iov_len);
    return co_writev(fd_of(arg), iov, iov_count);
}

static int shut_down_fd(void *arg)
{
    if (shutdown(fd_of(arg), SHUT_WR) == 0)
        return 0;
    return errno == ENOTSOCK ? -ENOTSUP : -errno;
}

static int close_fd(void *arg)
{
    return co_close(fd_of(arg));
}

static void abort_fd(void *arg)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    /* Whether it is a socket, and of TCP, is the kernel's to say. */
    (void)setsockopt(fd_of(arg), SOL_SOCKET, SO_LINGER, &at_once,
                     sizeof(at_once));
    co_close(fd_of(arg));
}

/* Borrowed: who waits for it is woken, and that is all. */
static int return_fd(void *arg)
{
    return co_fd_release(fd_of(arg));
}

static void abort_borrowed(void *arg)
{
    (void)return_fd(arg);
}

static const co_stream_ops fd_ops = {
    .size = sizeof(fd_ops),
    .wait = wait_readable,
    .try_read = try_read_fd,
    .read = read_fd,
    .writev = writev_fd,
    .write_eof = shut_down_fd,
    .close = close_fd,
    .abort = abort_fd,
};

static const co_stream_ops borrowed_ops = {
    .size = sizeof(borrowed_ops),
    .wait = wait_readable,
    .try_read = try_read_fd,
    .read = read_fd,
    .writev = writev_fd,
    .write_eof = shut_down_fd,
    .close = return_fd,
    .abort = abort_borrowed,
};

int co__stream_fd(const struct co_stream *stream)
{
    if (stream->ops != &fd_ops && stream->ops != &borrowed_ops)
        return -1;
    return fd_of(stream->arg);
}

/* ---- life ---------------------------------------------------------------- */

static int usable(const co_stream_ops *ops)
{
    return ops && ops->size == sizeof(*ops) && ops->read && ops->writev &&
           ops->close && !ops->wait == !ops->try_read;
}

co_stream *co_stream_over(const co_stream_ops *ops, void *arg,
                          const co_stream_options *options)
{
    static const co_stream_options defaults = {.size = sizeof(defaults)};
    co_stream *stream;

    if (!options)
        options = &defaults;
    if (!usable(ops) || options->size != sizeof(*options) ||
        options->buffer_max > SIZE_MAX / 2 ||
        options->write_buffer > SIZE_MAX / 2) {
        errno = EINVAL;
        return NULL;
    }
    stream = co__alloc_zero(sizeof(*stream));
    if (!stream) {
        errno = ENOMEM;
        return NULL;
    }
    stream->ops = ops;
    stream->arg = arg;
    stream->users = 1;
    stream->in_max =
        options->buffer_max ? options->buffer_max : BUFFER_MAX_DEFAULT;
    stream->out_max = options->write_buffer;
    return stream;
}

co_stream *co_stream_new(int fd, const co_stream_options *options)
{
    int borrowed = options && options->borrow;
    co_stream *stream =
        co_stream_over(borrowed ? &borrowed_ops : &fd_ops, arg_of(fd), options);
    int r;

    if (!stream)
        return NULL;
    if (borrowed)
        r = fcntl(fd, F_GETFD) < 0 ? -errno : 0;
    else
        r = co_adopt(fd);
    if (r < 0 && r != -EALREADY) {
        co__free(stream);
        errno = -r;
        return NULL;
    }
    return stream;
}

void *co_stream_behind(const co_stream *stream, const co_stream_ops *ops)
{
    return stream && stream->ops == ops ? stream->arg : NULL;
}

static void drop(struct co_stream *stream)
{
    if (--stream->users)
        return;
    if (stream->ops->free)
        stream->ops->free(stream->arg);
    co__buffer_give(stream->in, stream->in_room);
    co__buffer_give(stream->out, stream->out_max);
    co__pipeful_free(stream->piped);
    co__free(stream);
}

int co__stream_enter(struct co_stream *stream, co_mutex *side)
{
    int r;

    if (CO_UNLIKELY(stream->closed))
        return -EBADF;
    stream->users++;
    r = co_mutex_lock(side);
    if (CO_LIKELY(r == 0 && !stream->closed))
        return 0;
    if (r == 0) {
        co_mutex_unlock(side);
        r = -EBADF;
    }
    drop(stream);
    return r;
}

ssize_t co__stream_leave(struct co_stream *stream, co_mutex *side,
                         ssize_t result)
{
    co_mutex_unlock(side);
    drop(stream);
    return result;
}

/* The last words; `writing` is locked. */
static int finish(struct co_stream *stream)
{
    int r = co__stream_flush(stream);

    if (r < 0 || !stream->ops->finish)
        return r;
    return stream->closed ? -EBADF : stream->ops->finish(stream->arg);
}

int co_stream_close(co_stream *stream)
{
    int finished, closed = 0;

    if (!stream)
        return 0;
    /* Behind the writers that were here before. */
    finished = co__stream_enter(stream, &stream->writing);
    if (finished == 0)
        finished =
            (int)co__stream_leave(stream, &stream->writing, finish(stream));
    if (!stream->closed) {
        stream->closed = 1;
        closed = stream->ops->close(stream->arg);
    }
    stream->gone = 1;
    drop(stream);
    return finished < 0 ? finished : closed;
}

void co_stream_abort(co_stream *stream)
{
    if (!stream)
        return;
    co__stream_cut(stream);
    stream->gone = 1;
    drop(stream);
}

int co_stream_detach(co_stream *stream, int *fd)
{
    if (!stream || !fd)
        return -EINVAL;
    if (stream->closed)
        return -EBADF;
    if (stream->ops != &fd_ops)
        return -ENOTSUP;
    if (co_mutex_is_locked(&stream->reading) ||
        co_mutex_is_locked(&stream->writing) || stream->out_count)
        return -EBUSY;
    *fd = fd_of(stream->arg);
    stream->closed = stream->gone = 1;
    drop(stream);
    return 0;
}

/* ---- for who hands it to others ------------------------------------------ */

void co__stream_hold(struct co_stream *stream)
{
    stream->users++;
}

void co__stream_cut(struct co_stream *stream)
{
    if (stream->closed)
        return;
    stream->closed = 1;
    if (stream->ops->abort)
        stream->ops->abort(stream->arg);
    else
        (void)stream->ops->close(stream->arg);
}

void co__stream_release(struct co_stream *stream)
{
    drop(stream);
}
