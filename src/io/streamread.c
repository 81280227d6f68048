/* SPDX-License-Identifier: MIT */
/*
 * Reading from streams. Everything is read into the buffer and then taken from
 * it, but for large reads while it is empty. A call that fails has taken
 * nothing out of it, so what was received stays for the next.
 *
 * The buffer is there while it holds something: a connection that waits for its
 * next request has none.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "io/buffer.h"
#include "io/io.h"
#include "io/splice.h"
#include "io/stream.h"

#include <errno.h>
#include <string.h>

/* From so many bytes on a read is into the caller's buffer. */
#define DIRECT ((size_t)4 * 1024)

static int begin(struct co_stream *stream)
{
    return stream ? co__stream_enter(stream, &stream->reading) : -EINVAL;
}

/* What is buffered. */
static const char *ahead(const struct co_stream *stream)
{
    return stream->in_count ? stream->in + stream->in_head : "";
}

static void take(struct co_stream *stream, size_t len)
{
    CO_ASSERT(len <= stream->in_count);
    stream->in_head += len;
    stream->in_count -= len;
}

/* An empty buffer goes where the next stream finds it, unless more is sure to
 * come at once. */
static void tidy(struct co_stream *stream)
{
    if (stream->in_count || stream->in_full)
        return;
    co__buffer_give(stream->in, stream->in_room);
    stream->in = NULL;
    stream->in_head = stream->in_room = 0;
}

static ssize_t end(struct co_stream *stream, ssize_t result)
{
    tidy(stream);
    return co__stream_leave(stream, &stream->reading, result);
}

/* Room for one more byte at least: 0, or -EMSGSIZE, -ENOMEM. */
static int make_room(struct co_stream *stream)
{
    size_t room = stream->in_room ? stream->in_room * 2 : CO__BUFFER_BYTES;
    char *in;

    /* Seldom, as half of it has been read by then; or else there is no room. */
    if (stream->in_head &&
        (stream->in_count <= stream->in_room / 2 ||
         stream->in_head + stream->in_count == stream->in_room)) {
        CO_ASSERT(stream->in);
        memmove(stream->in, stream->in + stream->in_head, stream->in_count);
        stream->in_head = 0;
    }
    if (stream->in_head + stream->in_count < stream->in_room)
        return 0;
    if (stream->in_count >= stream->in_max)
        return -EMSGSIZE;
    if (room > stream->in_max)
        room = stream->in_max;
    in = stream->in ? co__realloc(stream->in, room) : co__buffer_take(room);
    if (!in)
        return -ENOMEM;
    stream->in = in;
    stream->in_room = room;
    return 0;
}

/*
 * What a read waits for may be the answer to what is still held back here.
 * Why that could not be written the next write says; but if the limits of this
 * call ended it, they end this call. A transport has a task that flushes, and
 * its reads must not wait for that.
 */
static int flush_before(struct co_stream *stream)
{
    int r;

    if (CO_LIKELY(!stream->out_count && !stream->ops->flush) ||
        stream->flushed || co_mutex_try_lock(&stream->writing) < 0)
        return 0;
    r = co__stream_flush(stream);
    co_mutex_unlock(&stream->writing);
    return co__is_limit(r) ? r : 0;
}

/* Read into the buffer, which has room; wait without one. */
static ssize_t read_in(struct co_stream *stream)
{
    const co_stream_ops *ops = stream->ops;
    size_t tail = stream->in_head + stream->in_count;
    size_t room = stream->in_room - tail;
    ssize_t n;

    if (CO_UNLIKELY(stream->piped))
        return co__pipeful_read(&stream->piped, stream->in + tail, room);
    n = (ops->wait ? ops->try_read : ops->read)(stream->arg, stream->in + tail,
                                                room);
    stream->in_full = n > 0 && (size_t)n == room;
    if (n > 0)
        stream->bytes_read += (size_t)n;
    return n;
}

/* The next bytes in a buffer of the backend's, if it has any: else -EOPNOTSUPP
 * or -ENOBUFS. */
static ssize_t receive(struct co_stream *stream)
{
    int fd = co__stream_fd(stream);
    void *in = NULL;
    ssize_t n;

    if (fd < 0 || stream->in_max < CO__BUFFER_BYTES)
        return -EOPNOTSUPP;
    n = co__fd_receive(fd, &in);
    if (n > 0) {
        stream->in = in;
        stream->in_room = CO__BUFFER_BYTES;
        stream->in_full = n == (ssize_t)stream->in_room;
        stream->bytes_read += (size_t)n;
    }
    return stream->closed && n >= 0 ? -EBADF : n;
}

/* Read more into the buffer: how many bytes, 0 at the end, or an error. */
static ssize_t fill(struct co_stream *stream)
{
    ssize_t n = flush_before(stream);
    int waits = stream->ops->wait && !stream->in && !stream->piped;

    if (n == 0 && waits && !stream->closed) {
        n = receive(stream);
        if (n >= 0) {
            stream->in_count = (size_t)n;
            return n;
        }
        if (n == -EOPNOTSUPP || n == -ENOBUFS)
            n = 0;
    }
    while (n == 0) {
        if (waits && !stream->closed)
            n = stream->ops->wait(stream->arg);
        if (n == 0 && stream->closed)
            n = -EBADF;
        if (n == 0)
            n = make_room(stream);
        if (n < 0)
            return n;
        n = read_in(stream);
        if (n != -EAGAIN || !stream->ops->wait)
            break;
        tidy(stream);
        waits = 1;
        n = 0;
    }
    if (n > 0)
        stream->in_count += (size_t)n;
    return n;
}

/* Read into the caller's buffer. */
static ssize_t read_direct(struct co_stream *stream, void *buffer, size_t len)
{
    ssize_t n = flush_before(stream);

    if (n == 0 && stream->closed)
        n = -EBADF;
    if (n < 0)
        return n;
    if (CO_UNLIKELY(stream->piped))
        return co__pipeful_read(&stream->piped, buffer, len);
    n = stream->ops->read(stream->arg, buffer, len);
    if (n > 0)
        stream->bytes_read += (size_t)n;
    return n;
}

/* Take bytes out of the buffer. */
static size_t copy_out(struct co_stream *stream, void *buffer, size_t len)
{
    if (len > stream->in_count)
        len = stream->in_count;
    if (len)
        memcpy(buffer, ahead(stream), len);
    take(stream, len);
    return len;
}

/* One byte at least: how many, 0 at the end, or an error. */
static ssize_t read_some(struct co_stream *stream, void *buffer, size_t len)
{
    ssize_t n;

    if (!stream->in_count) {
        if (len >= DIRECT)
            return read_direct(stream, buffer, len);
        n = fill(stream);
        if (n <= 0)
            return n;
    }
    return (ssize_t)copy_out(stream, buffer, len);
}

ssize_t co_stream_read(co_stream *stream, void *buffer, size_t len)
{
    ssize_t r = len && !buffer ? -EINVAL : begin(stream);

    if (r < 0)
        return r;
    return end(stream, len ? read_some(stream, buffer, len) : 0);
}

int co_stream_read_exactly(co_stream *stream, void *buffer, size_t len,
                           size_t *done)
{
    size_t count = 0;
    ssize_t n = len && !buffer ? -EINVAL : begin(stream);

    if (n == 0) {
        while (n >= 0 && count < len) {
            n = read_some(stream, (char *)buffer + count, len - count);
            if (n > 0)
                count += (size_t)n;
            else if (n == 0)
                n = -ENODATA;
        }
        end(stream, 0);
    }
    if (done)
        *done = count;
    return n < 0 ? (int)n : 0;
}

/* ---- looking ahead ------------------------------------------------------- */

/* Have `least` bytes in the buffer: how many there are, less only at the end;
 * or an error. */
static ssize_t have(struct co_stream *stream, size_t least)
{
    if (least > stream->in_max)
        return -EMSGSIZE;
    while (stream->in_count < least) {
        ssize_t n = fill(stream);

        if (n < 0)
            return n;
        if (n == 0)
            break;
    }
    return (ssize_t)stream->in_count;
}

/* Where it begins. Most are one byte long, and cheaper to look for. */
static const char *search(const char *data, size_t len, const void *sep,
                          size_t sep_len)
{
    return sep_len == 1 ? memchr(data, *(const unsigned char *)sep, len)
                        : memmem(data, len, sep, sep_len);
}

/* Have a separator among the first `most` bytes of the buffer: how many bytes
 * up to and with it; or -EMSGSIZE, -ENODATA, or another error. */
static ssize_t find(struct co_stream *stream, const void *sep, size_t sep_len,
                    size_t most)
{
    size_t seen = 0; /* bytes in which it does not begin */

    if (most > stream->in_max)
        most = stream->in_max;
    for (;;) {
        const char *data = ahead(stream);
        size_t len = stream->in_count < most ? stream->in_count : most;
        const char *found;
        ssize_t n;

        if (len >= seen + sep_len) {
            found = search(data + seen, len - seen, sep, sep_len);
            if (found)
                return found - data + (ssize_t)sep_len;
            seen = len - sep_len + 1;
        }
        if (len == most)
            return -EMSGSIZE;
        n = fill(stream);
        if (n <= 0)
            return n < 0 ? n : -ENODATA;
    }
}

ssize_t co_stream_read_until(co_stream *stream, const void *sep, size_t sep_len,
                             void *buffer, size_t len)
{
    ssize_t n = !sep || !sep_len || (len && !buffer) ? -EINVAL : begin(stream);

    if (n < 0)
        return n;
    n = find(stream, sep, sep_len, len);
    if (n > 0)
        copy_out(stream, buffer, (size_t)n);
    return end(stream, n);
}

/* The length of a line, whose end is so many bytes away, without that. */
static size_t line_length(const struct co_stream *stream, size_t with_end)
{
    const char *data = ahead(stream);
    size_t len = with_end - 1;

    return len && data[len - 1] == '\r' ? len - 1 : len;
}

static ssize_t read_line(struct co_stream *stream, char *line, size_t room)
{
    /* "\r\n" instead of the NUL. */
    ssize_t n = find(stream, "\n", 1, room < SIZE_MAX ? room + 1 : room);
    size_t len, all;

    if (n == -ENODATA && stream->in_count)
        len = all = stream->in_count;
    else if (n < 0)
        return n;
    else
        len = line_length(stream, all = (size_t)n);
    if (len >= room)
        return -EMSGSIZE;
    if (len)
        memcpy(line, ahead(stream), len);
    line[len] = '\0';
    take(stream, all);
    return (ssize_t)len;
}

ssize_t co_stream_read_line(co_stream *stream, char *line, size_t line_bytes)
{
    int r = !line || !line_bytes ? -EINVAL : begin(stream);

    return r < 0 ? r : end(stream, read_line(stream, line, line_bytes));
}

/* ---- without a copy ------------------------------------------------------ */

static ssize_t show(struct co_stream *stream, ssize_t n, const void **data)
{
    if (n >= 0)
        *data = ahead(stream);
    return end(stream, n);
}

ssize_t co_stream_peek(co_stream *stream, size_t least, const void **data)
{
    int r = data ? begin(stream) : -EINVAL;

    return r < 0 ? r : show(stream, have(stream, least), data);
}

ssize_t co_stream_find(co_stream *stream, const void *sep, size_t sep_len,
                       const void **data)
{
    int r = !data || !sep || !sep_len ? -EINVAL : begin(stream);

    if (r < 0)
        return r;
    return show(stream, find(stream, sep, sep_len, SIZE_MAX), data);
}

int co_stream_skip(co_stream *stream, size_t len)
{
    if (!stream || len > stream->in_count)
        return -EINVAL;
    if (co_mutex_is_locked(&stream->reading))
        return -EBUSY;
    take(stream, len);
    tidy(stream);
    return 0;
}

/* ---- for a copy ---------------------------------------------------------- */

/* As `fill`, into a pipe: what is not there at once is waited for first. */
static ssize_t fill_pipe(struct co_stream *stream, size_t most)
{
    int fd = co__stream_fd(stream);
    ssize_t n = co__splice_in(fd, most, 0, &stream->piped);

    if (n != -EAGAIN)
        return n;
    n = flush_before(stream);
    if (n == 0)
        n = stream->closed ? -EBADF : stream->ops->wait(stream->arg);
    if (n == 0)
        n = stream->closed ? -EBADF
                           : co__splice_in(fd, most, 1, &stream->piped);
    return n;
}

ssize_t co__stream_pipe_in(struct co_stream *stream, size_t most)
{
    ssize_t n;

    CO_ASSERT(!stream->in_count);
    stream->in_full = 0;
    tidy(stream);
    if (stream->closed)
        return -EBADF;
    if (stream->piped)
        return (ssize_t)stream->piped->count;
    n = fill_pipe(stream, most);
    if (n > 0)
        stream->bytes_read += (size_t)n;
    return n;
}
