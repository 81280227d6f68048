/* SPDX-License-Identifier: MIT */
/* Making, closing and freeing streams; a descriptor behind one. */
#include "io/stream.h"

#include <coppice/fd.h>

#include "base/alloc.h"
#include "io/io.h"

#include <errno.h>
#include <sys/socket.h>

#define BUFFER_MAX_DEFAULT ((size_t)64 * 1024)

/* ---- a descriptor -------------------------------------------------------- */

static int wait_readable(struct co_stream *stream)
{
    int r = co_wait_fd(stream->fd, CO_READABLE);

    /* What cannot be waited for can be read. */
    return r < 0 && r != -EAGAIN ? r : 0;
}

static ssize_t try_read_fd(struct co_stream *stream, void *buffer, size_t len)
{
    return co__fd_try_read(stream->fd, buffer, len);
}

static ssize_t read_fd(struct co_stream *stream, void *buffer, size_t len)
{
    return co_read(stream->fd, buffer, len);
}

static ssize_t writev_fd(struct co_stream *stream, const struct iovec *iov,
                         int iov_count)
{
    if (iov_count == 1)
        return co_write(stream->fd, iov->iov_base, iov->iov_len);
    return co_writev(stream->fd, iov, iov_count);
}

static int shut_down_fd(struct co_stream *stream)
{
    if (shutdown(stream->fd, SHUT_WR) == 0)
        return 0;
    return errno == ENOTSOCK ? -ENOTSUP : -errno;
}

static int close_fd(struct co_stream *stream)
{
    return co_close(stream->fd);
}

static void abort_fd(struct co_stream *stream)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    /* Whether it is a socket, and of TCP, is the kernel's to say. */
    (void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once,
                     sizeof(at_once));
    co_close(stream->fd);
}

static const struct co__stream_ops fd_ops = {
    .wait = wait_readable,
    .try_read = try_read_fd,
    .read = read_fd,
    .writev = writev_fd,
    .write_eof = shut_down_fd,
    .close = close_fd,
    .abort = abort_fd,
};

/* ---- life ---------------------------------------------------------------- */

static co_stream *make(const co_stream_options *options)
{
    static const co_stream_options defaults = {.size = sizeof(defaults)};
    co_stream *stream;

    if (!options)
        options = &defaults;
    if (options->size != sizeof(*options) ||
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
    stream->users = 1;
    stream->in_max =
        options->buffer_max ? options->buffer_max : BUFFER_MAX_DEFAULT;
    stream->out_max = options->write_buffer;
    return stream;
}

co_stream *co_stream_new(int fd, const co_stream_options *options)
{
    co_stream *stream = make(options);
    int r;

    if (!stream)
        return NULL;
    r = co_adopt(fd);
    if (r < 0 && r != -EALREADY) {
        co__free(stream);
        errno = -r;
        return NULL;
    }
    stream->ops = &fd_ops;
    stream->fd = fd;
    return stream;
}

static void drop(struct co_stream *stream)
{
    if (--stream->users)
        return;
    co__free(stream->in);
    co__free(stream->out);
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

int co_stream_close(co_stream *stream)
{
    int flushed, closed = 0;

    if (!stream)
        return 0;
    /* Behind the writers that were here before. */
    flushed = co__stream_enter(stream, &stream->writing);
    if (flushed == 0)
        flushed = (int)co__stream_leave(stream, &stream->writing,
                                        co__stream_flush(stream));
    if (!stream->closed) {
        stream->closed = 1;
        closed = stream->ops->close(stream);
    }
    stream->gone = 1;
    drop(stream);
    return flushed < 0 ? flushed : closed;
}

void co_stream_abort(co_stream *stream)
{
    if (!stream)
        return;
    co__stream_cut(stream);
    stream->gone = 1;
    drop(stream);
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
    stream->ops->abort(stream);
}

void co__stream_release(struct co_stream *stream)
{
    drop(stream);
}
