/* SPDX-License-Identifier: MIT */
/*
 * Writing to streams. Without a write buffer, all that is written goes to the
 * kernel before the call returns. With one, a call that fits only copies; what
 * does not fit goes to the kernel together with what is buffered, in one call.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "io/buffer.h"
#include "io/io.h"
#include "io/splice.h"
#include "io/stream.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static int begin(struct co_stream *stream)
{
    return stream ? co__stream_enter(stream, &stream->writing) : -EINVAL;
}

static int end(struct co_stream *stream, int result)
{
    return (int)co__stream_leave(stream, &stream->writing, result);
}

/* So many of the buffered bytes have been handed on. */
static void written(struct co_stream *stream, size_t len)
{
    CO_ASSERT(len <= stream->out_count);
    stream->out_head += len;
    stream->out_count -= len;
    if (!stream->out_count) {
        co__buffer_give(stream->out, stream->out_max);
        stream->out = NULL;
        stream->out_head = 0;
    }
}

static ssize_t writev_once(struct co_stream *stream, const struct iovec *iov,
                           int count)
{
    ssize_t n =
        stream->closed ? -EBADF : stream->ops->writev(stream->arg, iov, count);

    if (n > 0)
        stream->bytes_written += (size_t)n;
    return n == 0 ? -EIO : n; /* a device that takes nothing */
}

int co__stream_flush(struct co_stream *stream)
{
    while (stream->out_count) {
        struct iovec rest = {stream->out + stream->out_head, stream->out_count};
        ssize_t n = writev_once(stream, &rest, 1);

        if (n < 0)
            return (int)n;
        written(stream, (size_t)n);
    }
    if (CO_LIKELY(!stream->ops->flush))
        return 0;
    return stream->closed ? -EBADF : stream->ops->flush(stream->arg);
}

/* Whether there is room, and then the vector is in the buffer. */
CO_INLINE int buffer(struct co_stream *stream, const struct iovec *iov,
                     int count, size_t len)
{
    if (len > stream->out_max - stream->out_count)
        return 0;
    if (!stream->out)
        stream->out = co__buffer_take(stream->out_max);
    if (!stream->out)
        return 0; /* no memory: it can be written all the same */
    if (stream->out_head) {
        memmove(stream->out, stream->out + stream->out_head, stream->out_count);
        stream->out_head = 0;
    }
    for (int i = 0; i < count; i++) {
        if (!iov[i].iov_len)
            continue;
        memcpy(stream->out + stream->out_count, iov[i].iov_base,
               iov[i].iov_len);
        stream->out_count += iov[i].iov_len;
    }
    return 1;
}

#define PART 16 /* vectors that are handed on at a time */

/* What is buffered, and the vector from its byte `from` on, as one vector.
 * Returns how many there are. */
static int gather(const struct co_stream *stream, const struct iovec *iov,
                  int count, size_t from, struct iovec part[PART])
{
    int n = 0;

    if (stream->out_count)
        part[n++] =
            (struct iovec){stream->out + stream->out_head, stream->out_count};
    for (int i = 0; i < count && n < PART; i++) {
        size_t skip = from < iov[i].iov_len ? from : iov[i].iov_len;

        from -= skip;
        if (iov[i].iov_len > skip)
            part[n++] = (struct iovec){(char *)iov[i].iov_base + skip,
                                       iov[i].iov_len - skip};
    }
    return n;
}

/* The vector, `len` bytes in all, goes to the kernel behind what is buffered.
 * *done is kept up to date. */
static int hand_on(struct co_stream *stream, const struct iovec *iov, int count,
                   size_t len, size_t *done)
{
    while (*done < len) {
        struct iovec part[PART];
        int parts = gather(stream, iov, count, *done, part);
        ssize_t n = writev_once(stream, part, parts);
        size_t old;

        if (n < 0)
            return (int)n;
        old = (size_t)n < stream->out_count ? (size_t)n : stream->out_count;
        if (old)
            written(stream, old);
        *done += (size_t)n - old;
    }
    return 0;
}

/* The vector, `len` bytes in all; `r` is what is wrong with it. */
CO_INLINE int put(co_stream *stream, const struct iovec *iov, int count,
                  size_t len, int r, size_t *done)
{
    size_t taken = 0;

    if (CO_LIKELY(r == 0))
        r = begin(stream);
    if (CO_LIKELY(r == 0)) {
        if (stream->out_max && buffer(stream, iov, count, len))
            taken = len;
        else
            r = hand_on(stream, iov, count, len, &taken);
        end(stream, 0);
    }
    if (done)
        *done = taken;
    return r;
}

int co_stream_writev(co_stream *stream, const struct iovec *iov, int iov_count,
                     size_t *done)
{
    size_t len;
    int r = co__io_vector_sum(iov, iov_count, &len);

    return put(stream, iov, iov_count, len, r, done);
}

int co_stream_write(co_stream *stream, const void *data, size_t len,
                    size_t *done)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    int r = (len && !data) || len > SSIZE_MAX ? -EINVAL : 0;

    return put(stream, &iov, 1, len, r, done);
}

int co_stream_flush(co_stream *stream)
{
    int r = begin(stream);

    return r < 0 ? r : end(stream, co__stream_flush(stream));
}

int co_stream_write_eof(co_stream *stream)
{
    int r = begin(stream);

    if (r < 0)
        return r;
    r = co__stream_flush(stream);
    if (r == 0 && stream->closed)
        r = -EBADF;
    if (r == 0)
        r = stream->ops->write_eof ? stream->ops->write_eof(stream->arg)
                                   : -ENOTSUP;
    return end(stream, r);
}

int co__stream_pipe_out(struct co_stream *stream, struct co__pipeful **piped,
                        size_t most, size_t *done)
{
    ssize_t n = co__stream_flush(stream);

    *done = 0;
    while (n >= 0 && *piped && *done < most) {
        n = stream->closed
                ? -EBADF
                : co__splice_out(co__stream_fd(stream), most - *done, piped);
        if (n < 0)
            break;
        stream->bytes_written += (size_t)n;
        *done += (size_t)n;
    }
    return n < 0 ? (int)n : 0;
}
