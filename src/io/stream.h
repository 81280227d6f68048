/* SPDX-License-Identifier: MIT */
/*
 * io/stream.h - what is inside a stream, for the files that make it: stream.c
 * (its life), streamread.c, streamwrite.c.
 *
 * What is behind a stream is one const table (coppice/stream_ops.h). That of a
 * descriptor is in stream.c; it suspends as co_read and co_writev do.
 *
 * A stream is freed when the last of those that use it has left: who made it,
 * who holds it, and every call under way. So a call may find after each wait
 * that the stream was closed, and its memory is still there.
 */
#ifndef CO_IO_STREAM_H
#define CO_IO_STREAM_H

#include <coppice/mutex.h>
#include <coppice/stream_ops.h>

#include "base/compiler.h"

#include <errno.h>
#include <stdint.h>
#include <sys/uio.h>

struct co__pipeful;

struct co_stream {
    const co_stream_ops *ops;
    void *arg;        /* of the ops */
    unsigned users;   /* who made it, unless gone, who holds it, and calls */
    int closed;       /* what is behind it is */
    int gone;         /* so is the handle: it was closed by who made it */
    int flushed;      /* by who has it: reads need not, and so do not wait */
    co_mutex reading; /* of a call that reads, over its waits */
    co_mutex writing; /* likewise; also of `out` */

    /* Read and not asked for yet: `count` bytes from `head` on. */
    char *in; /* `in_room` bytes; NULL, when nobody needs it */
    size_t in_head, in_count, in_room, in_max;
    int in_full; /* the last read had no room for more */

    /* Behind that, likewise read, and left in a pipe by a copy that was
     * interrupted, or under way in one; NULL: nothing. */
    struct co__pipeful *piped;

    /* Written and not handed on yet, likewise. */
    char *out; /* `out_max` bytes, or NULL */
    size_t out_head, out_count, out_max;

    /* What has passed to and from what is behind it. */
    uint64_t bytes_read, bytes_written;
};

/* Use a stream in a call that reads, or writes: 0, or an error. And leave it:
 * returns the result that is passed. */
int co__stream_enter(struct co_stream *stream, co_mutex *side);
ssize_t co__stream_leave(struct co_stream *stream, co_mutex *side,
                         ssize_t result);

/*
 * For who hands a stream to others: hold it, so that one that they have closed
 * is still there (`gone`); close what is behind it at once, so that all calls
 * on it give -EBADF, and the handle is still theirs; and let it go.
 */
void co__stream_hold(struct co_stream *stream);
void co__stream_cut(struct co_stream *stream);
void co__stream_release(struct co_stream *stream);

/* The descriptor behind a stream, or -1 if it is something else. */
int co__stream_fd(const struct co_stream *stream);

/* Hand on what is buffered, and what is held back behind the stream; `writing`
 * is locked. 0, or an error. */
int co__stream_flush(struct co_stream *stream);

/*
 * For a copy: have something in `piped`, at most `most` bytes of it new, while
 * the buffer is empty; `reading` is locked. Returns how many bytes, 0 at the
 * end, -EAGAIN (only a read can tell what there is, as with urgent data),
 * -ENOTSUP (not by a pipe), or an error.
 */
ssize_t co__stream_pipe_in(struct co_stream *stream, size_t most);

/*
 * Write that, at most `most` bytes, behind what is buffered; `writing` is
 * locked. *done is always set to how many. 0, -ENOTSUP as above, or an error.
 */
int co__stream_pipe_out(struct co_stream *stream, struct co__pipeful **piped,
                        size_t most, size_t *done);

/* What the limits of the caller make a call fail with. */
CO_INLINE int co__is_limit(ssize_t error)
{
    return error == -ECANCELED || error == -ETIMEDOUT;
}

#endif
