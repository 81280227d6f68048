/* SPDX-License-Identifier: MIT */
/* coppice/embed.h - a loop inside of somebody else's: GLib, Qt, a game. */
#ifndef COPPICE_EMBED_H
#define COPPICE_EMBED_H

#include <coppice/base.h>
#include <coppice/loop.h>

CO_BEGIN_DECLS

/*
 * Embedding. co_loop_fd is readable when the loop has events; wait for it for
 * at most until co_loop_next_deadline (0: there are ready tasks, do not wait;
 * CO_NEVER: no timer), then call co_loop_turn: it waits for events for at most
 * max_wait nanoseconds (0: not at all), and runs each task that is ready then
 * once. The descriptor belongs to the loop.
 *
 * Returns the descriptor, or -EINVAL, or -ENOTSUP (the backend is "poll", which
 * has none: call co_loop_turn now and then), -EMFILE, -ENFILE, -ENOMEM (the
 * backend is "io_uring", which makes one now); the time; and for the turn how
 * many tasks the loop still has, or -EINVAL, or -EDEADLK, -EPERM, -ENOMEM as
 * above.
 */
CO_API int co_loop_fd(const co_loop *loop);
CO_API co_time co_loop_next_deadline(const co_loop *loop);
CO_API CO_MUST_CHECK int co_loop_turn(co_loop *loop, co_time max_wait);

CO_END_DECLS

#endif
