/* SPDX-License-Identifier: MIT */
/*
 * coppice/reader.h - functions that the loop calls when a descriptor is ready,
 * for code that is written in the style of callbacks. One function for each
 * direction of a descriptor. It is called again and again, in the loop's
 * callback task (callback.h), for as long as the descriptor is ready: it has to
 * read what is there, or write something, or be removed.
 */
#ifndef COPPICE_READER_H
#define COPPICE_READER_H

#include <coppice/base.h>
#include <coppice/loop.h>

CO_BEGIN_DECLS

/*
 * Have fn(fd, arg) called while fd is readable, or writable; hang-up and errors
 * count as ready. One that was added before, for the same direction, is
 * replaced. It stays until it is removed, the descriptor is closed with
 * co_close, or the loop ends. The loop runs here, or not at all at the moment.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (loop or fn is NULL), -EBADF, -EPERM (another thread
 * runs the loop), -ESHUTDOWN (the loop is ending), -ENOMEM, -EAGAIN (no memory
 * for a stack).
 */
#define co_loop_add_reader(loop, fd, fn, arg)                                  \
    co_loop_add_reader_at(CO_SITE, (loop), (fd), (fn), (arg))
#define co_loop_add_writer(loop, fd, fn, arg)                                  \
    co_loop_add_writer_at(CO_SITE, (loop), (fd), (fn), (arg))
CO_API CO_MUST_CHECK int co_loop_add_reader_at(const char *site, co_loop *loop,
                                               int fd, void (*fn)(int, void *),
                                               void *arg);
CO_API CO_MUST_CHECK int co_loop_add_writer_at(const char *site, co_loop *loop,
                                               int fd, void (*fn)(int, void *),
                                               void *arg);

/*
 * Have it called no more, from now on. It may remove itself.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 1, or 0 if there was none, or -EINVAL (loop is NULL), -EPERM.
 */
CO_API int co_loop_remove_reader(co_loop *loop, int fd);
CO_API int co_loop_remove_writer(co_loop *loop, int fd);

CO_END_DECLS

#endif
