/* SPDX-License-Identifier: MIT */
/* coppice/copy.h - all that comes out of one stream goes into another. */
#ifndef COPPICE_COPY_H
#define COPPICE_COPY_H

#include <coppice/base.h>
#include <coppice/stream.h>

CO_BEGIN_DECLS

#define CO_COPY_ALL UINT64_MAX

/*
 * Copy what is read from one stream to another, until the first ends or `limit`
 * bytes were copied, and flush it. It holds no more than the buffer of `from`,
 * and none while it waits for more. *copied (may be NULL) is always set to how
 * many bytes were taken by `to`; those that were not can still be read. No
 * other task should read from `from` meanwhile. The end is not passed on: see
 * co_stream_write_eof.
 *
 * On Linux much that comes at once does not come to memory (splice(2)), if both
 * streams own descriptors: of stream sockets or pipes, or `from` of a file. It
 * is then held in a pipe, two descriptors more, if those are not the last.
 *
 * Suspends: until there is something to copy, and until it is taken.
 * Thread-safe: no. Returns 0, or -EINVAL (NULL, or one and the same), or an
 * error of reading or of writing.
 */
CO_API CO_MUST_CHECK int co_stream_copy(co_stream *to, co_stream *from,
                                        uint64_t limit, uint64_t *copied);

CO_END_DECLS

#endif
