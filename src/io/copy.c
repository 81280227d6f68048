/* SPDX-License-Identifier: MIT */
/*
 * Copying between streams, by way of the buffer of the one that is read from:
 * what a call that is interrupted has not handed on is still in there.
 */
#include <coppice/copy.h>

#include <errno.h>

/* Hand on what is buffered, at most `left` bytes. Returns how many were taken,
 * 0 at the end, or an error; *done is always how many. */
static ssize_t copy_some(co_stream *to, co_stream *from, uint64_t left,
                         size_t *done)
{
    const void *data;
    ssize_t n = co_stream_peek(from, 1, &data);
    int r, skipped;

    *done = 0;
    if (n <= 0)
        return n;
    if ((uint64_t)n > left)
        n = (ssize_t)left;
    r = co_stream_write(to, data, (size_t)n, done);
    skipped = co_stream_skip(from, *done);
    if (r == 0)
        r = skipped;
    /* We may wait for more now, and nobody else would send it. */
    if (r == 0)
        r = co_stream_flush(to);
    return r < 0 ? r : n;
}

int co_stream_copy(co_stream *to, co_stream *from, uint64_t limit,
                   uint64_t *copied)
{
    uint64_t total = 0;
    ssize_t n = 1;

    if (copied)
        *copied = 0;
    if (!to || !from || to == from)
        return -EINVAL;
    while (n > 0 && total < limit) {
        size_t done;

        n = copy_some(to, from, limit - total, &done);
        total += done;
    }
    if (copied)
        *copied = total;
    return n < 0 ? (int)n : 0;
}
