/* SPDX-License-Identifier: MIT */
/*
 * Copying between streams, in one of two ways.
 *
 * By way of the buffer of the one that is read from, whatever the streams are.
 * And between descriptors, where the system has it, by way of a pipe
 * (splice.h), without the bytes coming to memory: when the last read has filled
 * the buffer, as there is much to come, and then as long as steps are large. So
 * small messages take the two system calls that they need, and a copy that
 * waits for the next has no pipe.
 *
 * What has been read and not written is the first stream's, in its buffer or in
 * the pipe behind that. So a call that is interrupted, wherever it is, has
 * nothing to save.
 */
#include <coppice/copy.h>

#include "io/splice.h"
#include "io/stream.h"

#include <errno.h>

/* A step that moves less is one of messages. */
#define LARGE ((ssize_t)16 * 1024)

struct copy {
    co_stream *to, *from;
    uint64_t left;
    int spliced; /* the next step is to be by the pipe */
    int fits;    /* whether it can be; -1: not known yet */
};

/*
 * All return 1, 0 at the end, or an error; and `left` is kept up to date.
 */

/* Hand on what is buffered. */
static ssize_t by_buffer(struct copy *copy)
{
    co_stream *from = copy->from;
    const void *data;
    ssize_t n = co_stream_peek(from, 1, &data);
    size_t done;
    int r, skipped;

    if (n <= 0)
        return n;
    copy->spliced = from->in_full || from->piped;
    if ((uint64_t)n > copy->left)
        n = (ssize_t)copy->left;
    r = co_stream_write(copy->to, data, (size_t)n, &done);
    skipped = co_stream_skip(from, done);
    copy->left -= done;
    if (r == 0)
        r = skipped;
    /* We may wait for more now, and nobody else would send it. */
    if (r == 0)
        r = co_stream_flush(copy->to);
    return r < 0 ? r : 1;
}

/* The same by the pipe; or -EAGAIN: this time by the buffer. */
static ssize_t pipe_in_and_out(struct copy *copy)
{
    co_stream *to = copy->to, *from = copy->from;
    size_t most = copy->left < SIZE_MAX ? (size_t)copy->left : SIZE_MAX;
    ssize_t n = from->in_count ? -EAGAIN : co__stream_pipe_in(from, most);
    size_t done;
    int r;

    if (n == -ENOTSUP)
        goto cannot;
    if (n <= 0)
        return n;
    copy->spliced = n >= LARGE;
    r = co__stream_enter(to, &to->writing);
    if (r < 0)
        return r;
    r = co__stream_pipe_out(to, &from->piped, most, &done);
    copy->left -= done;
    r = (int)co__stream_leave(to, &to->writing, r < 0 ? r : 1);
    if (r != -ENOTSUP)
        return r;
cannot:
    copy->fits = 0;
    return -EAGAIN;
}

static ssize_t by_pipe(struct copy *copy)
{
    co_stream *from = copy->from;
    ssize_t n = co__stream_enter(from, &from->reading);

    if (n < 0)
        return n;
    n = pipe_in_and_out(copy);
    return co__stream_leave(from, &from->reading, n);
}

static int fits(struct copy *copy)
{
    int to = co__stream_fd(copy->to), from = co__stream_fd(copy->from);

    if (copy->fits < 0)
        copy->fits = to >= 0 && from >= 0 && co__splice_fits(to, from);
    return copy->fits;
}

static ssize_t copy_some(struct copy *copy)
{
    ssize_t n = copy->spliced && fits(copy) ? by_pipe(copy) : -EAGAIN;

    return n == -EAGAIN ? by_buffer(copy) : n;
}

int co_stream_copy(co_stream *to, co_stream *from, uint64_t limit,
                   uint64_t *copied)
{
    struct copy copy = {to, from, limit, 0, -1};
    ssize_t n = 1;

    if (copied)
        *copied = 0;
    if (!to || !from || to == from)
        return -EINVAL;
    copy.spliced = from->piped != NULL;
    /* They may be closed while we wait in the other one. */
    co__stream_hold(to);
    co__stream_hold(from);
    while (n > 0 && copy.left)
        n = copy_some(&copy);
    if (n >= 0)
        n = co_stream_flush(to);
    co__stream_release(to);
    co__stream_release(from);
    if (copied)
        *copied = limit - copy.left;
    return (int)n;
}
