/* SPDX-License-Identifier: MIT */
/*
 * coppice/pipe.h - pipes of one's own. A pipe or terminal that somebody else
 * made, standard input say, needs no call: co_read, co_write and co_wait_fd
 * leave any descriptor as it is (fd.h), and so does a stream that was made with
 * `borrow` (stream.h).
 */
#ifndef COPPICE_PIPE_H
#define COPPICE_PIPE_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/*
 * pipe(2): what is written to fds[1] is read from fds[0]. Both ends are in
 * Coppice's care (co_adopt): non-blocking, close-on-exec, to be closed with
 * co_close.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or, with fds untouched, -EINVAL (NULL), -EMFILE, -ENFILE, -ENOMEM.
 */
CO_API CO_MUST_CHECK int co_pipe(int fds[2]);

CO_END_DECLS

#endif
