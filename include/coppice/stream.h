/* SPDX-License-Identifier: MIT */
/*
 * coppice/stream.h - bytes in order, buffered for reading: a connection, a
 * pipe, a terminal. It owns its descriptor, unless it has borrowed it.
 *
 * One task may read while another one writes. Readers come first come, first
 * served, and so do writers: what one call writes is not mixed with another's.
 * Nothing that was received is lost when a call is cancelled or runs out of
 * time: it stays buffered. All of it belongs to one loop.
 *
 * Errors beside those of read(2) and write(2): -ECANCELED, -ETIMEDOUT (scope);
 * -EINVAL (NULL); -EBADF (closed meanwhile); -EPERM (it would wait in a loop
 * callback); -ENOMEM (no buffer).
 */
#ifndef COPPICE_STREAM_H
#define COPPICE_STREAM_H

#include <coppice/base.h>

#include <sys/types.h>

struct iovec;

CO_BEGIN_DECLS

typedef struct co_stream co_stream;

typedef struct co_stream_options {
    size_t size;         /* sizeof(co_stream_options) */
    size_t buffer_max;   /* bytes read ahead at most, and so the longest line;
                          * 0: 64 KiB. The memory is there while it is used */
    size_t write_buffer; /* bytes that writes may leave to a later one, to
                          * co_stream_flush, to a read of this stream that has
                          * to wait, or to co_stream_close; 0: none */
    int borrow;          /* do not adopt it, nor close it: standard input */
} co_stream_options;

/*
 * Make a stream of a descriptor, which is adopted (co_adopt) and the stream's
 * from now on, unless the options say otherwise. options may be NULL.
 *
 * Suspends: never. Thread-safe: no.
 * Returns the stream, or NULL with errno EBADF, EINVAL (options), ENOMEM, or
 * EPERM (another loop's); then the descriptor is still the caller's.
 */
CO_API CO_MUST_CHECK co_stream *co_stream_new(int fd,
                                              const co_stream_options *options);

/*
 * Flush, and close: the handle is gone, whatever this returns. Calls of other
 * tasks that are under way get -EBADF. NULL is a no-op.
 *
 * Suspends: while what is buffered is written. Thread-safe: no.
 * Returns 0, or why something may not have arrived; a cancel or a timeout
 * closes at once.
 */
CO_API int co_stream_close(co_stream *stream);

/* The same at once: what is buffered is lost, and a TCP connection is reset.
 * Suspends: never. Thread-safe: no. */
CO_API void co_stream_abort(co_stream *stream);

/* ---- reading ------------------------------------------------------------- */

/*
 * Read what is there, one byte at least; a large buffer is read into directly.
 *
 * Suspends: if nothing is there. Thread-safe: no.
 * Returns how many bytes were read, 0 at the end, or an error.
 */
CO_API CO_MUST_CHECK ssize_t co_stream_read(co_stream *stream, void *buffer,
                                            size_t len);

/*
 * Read len bytes. *done (may be NULL) is always set to how many were read.
 *
 * Suspends: until they are there. Thread-safe: no.
 * Returns 0, or -ENODATA (the stream has ended before), or an error.
 */
CO_API CO_MUST_CHECK int co_stream_read_exactly(co_stream *stream, void *buffer,
                                                size_t len, size_t *done);

/*
 * Read up to and with a separator of sep_len bytes.
 *
 * Suspends: until it is there. Thread-safe: no.
 * Returns how many bytes were read; or, having read nothing, -EMSGSIZE (it is
 * not in the first len or buffer_max bytes), -ENODATA (the stream has ended
 * before; what is left can be read), or an error.
 */
CO_API CO_MUST_CHECK ssize_t co_stream_read_until(co_stream *stream,
                                                  const void *sep,
                                                  size_t sep_len, void *buffer,
                                                  size_t len);

/*
 * Read a line as a string, without its "\n" or "\r\n". The last one need not
 * have an end.
 *
 * Suspends: until it is there. Thread-safe: no.
 * Returns its length; or, having read nothing, -EMSGSIZE (line_bytes, or
 * buffer_max, is too small), -ENODATA (there are no more), or an error.
 */
CO_API CO_MUST_CHECK ssize_t co_stream_read_line(co_stream *stream, char *line,
                                                 size_t line_bytes);

/*
 * Look at what is buffered, `least` bytes or more, without a copy; and go on
 * behind so many of them. *data is valid until the stream is read otherwise.
 * co_stream_find looks for a separator, and counts up to and with it. While a
 * task does this no other one should read.
 *
 * Suspends: (peek, find) until it is there. Thread-safe: no.
 * Returns how many bytes are there: less than `least` only at the end; or
 * -EMSGSIZE (buffer_max is too small), -ENODATA (find: the stream has ended
 * before), or an error. co_stream_skip: 0, or -EINVAL (there are less), -EBUSY
 * (another task reads).
 */
CO_API CO_MUST_CHECK ssize_t co_stream_peek(co_stream *stream, size_t least,
                                            const void **data);
CO_API CO_MUST_CHECK ssize_t co_stream_find(co_stream *stream, const void *sep,
                                            size_t sep_len, const void **data);
CO_API int co_stream_skip(co_stream *stream, size_t len);

/* ---- writing ------------------------------------------------------------- */

/*
 * Write all. *done (may be NULL) is always set to how many bytes were taken,
 * on failure too.
 *
 * Suspends: until they are taken: by the kernel, or the write buffer.
 * Thread-safe: no. Returns 0, or -EPIPE, or an error.
 */
CO_API CO_MUST_CHECK int co_stream_write(co_stream *stream, const void *data,
                                         size_t len, size_t *done);
CO_API CO_MUST_CHECK int co_stream_writev(co_stream *stream,
                                          const struct iovec *iov,
                                          int iov_count, size_t *done);

/* Hand what is buffered to the kernel. Suspends: if it has no room.
 * Thread-safe: no. Returns 0, or an error; the rest stays buffered. */
CO_API CO_MUST_CHECK int co_stream_flush(co_stream *stream);

/* Flush, and tell the peer that no more comes (shutdown(2)); reading goes on.
 * Suspends, thread-safe, returns: as above, or -ENOTSUP (a pipe: close it). */
CO_API CO_MUST_CHECK int co_stream_write_eof(co_stream *stream);

CO_END_DECLS

#endif
