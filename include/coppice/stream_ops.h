/* SPDX-License-Identifier: MIT */
/*
 * coppice/stream_ops.h - streams of something else than a descriptor: TLS, a
 * compression, bytes in memory. What is behind a stream is one const table of
 * functions and a pointer that they get; a descriptor is one such.
 *
 * The stream has the buffers, the limits and the order of the callers. At most
 * one task is in wait, try_read and read, and one other in writev, write_eof,
 * flush and finish; these may suspend, fail as co_read does, and are not called
 * any more once close or abort has been. All return a negative errno on error.
 */
#ifndef COPPICE_STREAM_OPS_H
#define COPPICE_STREAM_OPS_H

#include <coppice/stream.h>

CO_BEGIN_DECLS

/* NULL is allowed where "may be NULL" is written. */
typedef struct co_stream_ops {
    size_t size; /* sizeof(co_stream_ops) */
    /* Wait without a buffer until there may be something to read: 0; and then
     * read without waiting, -EAGAIN if there is nothing. Both may be NULL: then
     * a buffer is there while the stream waits. */
    int (*wait)(void *arg);
    ssize_t (*try_read)(void *arg, void *buffer, size_t len);
    /* How many bytes were read, one at least, or 0 at the end. */
    ssize_t (*read)(void *arg, void *buffer, size_t len);
    /* How many bytes were taken, one at least, and not all if some suffice. */
    ssize_t (*writev)(void *arg, const struct iovec *iov, int iov_count);
    /* End one direction: 0. May be NULL: -ENOTSUP. */
    int (*write_eof)(void *arg);
    /* Hand on what was taken and is still held back: 0. Called behind what the
     * stream itself has buffered, and before a read that may wait. May be
     * NULL: nothing is. */
    int (*flush)(void *arg);
    /* The last words of a stream that is closed and has been flushed: 0. Not
     * called before an abort, or if something could not be written. May be
     * NULL: none. */
    int (*finish)(void *arg);
    /* Let go of what is behind; whoever waits there gets -EBADF: 0. `arg` is
     * still there. And the same at once; may be NULL: close does it. */
    int (*close)(void *arg);
    void (*abort)(void *arg);
    /* The last call that was under way has ended: nothing uses `arg` any more.
     * Never suspends. May be NULL. */
    void (*free)(void *arg);
    /* The stream that this one is over, for who asks for addresses. May be
     * NULL, and so may what it returns: none. */
    co_stream *(*below)(void *arg);
} co_stream_ops;

/*
 * Make a stream of what is behind `arg`, which is the stream's from now on:
 * co_stream_close and co_stream_abort lead to ops->close or ops->abort, and
 * then to ops->free. The table has to stay. options may be NULL.
 *
 * Suspends: never. Thread-safe: no.
 * Returns the stream, or NULL with errno EINVAL (options, or the table) or
 * ENOMEM; then `arg` is still the caller's.
 */
CO_API CO_MUST_CHECK co_stream *co_stream_over(
    const co_stream_ops *ops, void *arg, const co_stream_options *options);

/*
 * What is behind a stream, for who made it and knows its table.
 *
 * Suspends: never. Thread-safe: no.
 * Returns its `arg`, or NULL if the stream, which may be NULL, is not one of
 * this table.
 */
CO_API void *co_stream_behind(const co_stream *stream,
                              const co_stream_ops *ops);

/*
 * Give the descriptor back, which stays adopted: the handle is gone. What is
 * buffered for reading is lost.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or, with nothing changed, -EINVAL (NULL), -EBADF (closed), -EBUSY
 * (a call is under way, or something not written yet), -ENOTSUP (there is no
 * descriptor).
 */
CO_API CO_MUST_CHECK int co_stream_detach(co_stream *stream, int *fd);

CO_END_DECLS

#endif
