/* SPDX-License-Identifier: MIT */
/*
 * coppice/stream_info.h - what there is to know about a stream: who is at its
 * ends, and how much has passed.
 */
#ifndef COPPICE_STREAM_INFO_H
#define COPPICE_STREAM_INFO_H

#include <coppice/addr.h>
#include <coppice/base.h>
#include <coppice/stream.h>

#include <stdint.h>

CO_BEGIN_DECLS

/*
 * The descriptor behind a stream, or behind what that is over (TLS), for
 * setsockopt(2) and the like: to read, write or close it is the stream's.
 *
 * Suspends: never. Thread-safe: no.
 * Returns it, or -EINVAL (NULL), -EBADF (closed), -ENOTSUP (there is none).
 */
CO_API CO_MUST_CHECK int co_stream_fd(const co_stream *stream);

/*
 * The address of the peer, and our own, of a stream over a socket. Of a Unix
 * socket they often have no name: out->len is that of the family alone.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -ENOTSOCK (a pipe, a file), -ENOTCONN (of the peer: it has
 * reset the connection, so ask before), or an error of co_stream_fd.
 */
CO_API CO_MUST_CHECK int co_stream_peer_address(const co_stream *stream,
                                                co_addr *out);
CO_API CO_MUST_CHECK int co_stream_local_address(const co_stream *stream,
                                                 co_addr *out);

/* All in bytes. Of a stream of TLS what was or is to be encrypted counts. */
typedef struct co_stream_stats {
    size_t size;            /* sizeof(co_stream_stats), set by the caller */
    uint64_t bytes_read;    /* from what is behind it, asked for or not */
    uint64_t bytes_written; /* to what is behind it */
    size_t read_ahead;      /* of those that were read: not asked for yet */
    size_t held_back;       /* in the write buffer; not in bytes_written */
} co_stream_stats;

/*
 * Fill *stats.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, or the size is wrong).
 */
CO_API int co_stream_stats_get(const co_stream *stream, co_stream_stats *stats);

CO_END_DECLS

#endif
